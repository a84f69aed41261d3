import { chmodSync, lstatSync, readFileSync } from 'node:fs';
import { isErrno, ShaleError } from '../error/index.ts';
import { replaceFile } from '../host/index.ts';
import type { Digest } from '../oci/index.ts';
import { listArtifacts } from './artifact.ts';
import { findBlob } from './blob.ts';
import type { Catalogue } from './catalogue.ts';
import { layoutMarker, reopenRebuilt } from './create.ts';
import type { Check } from './fsck.ts';
import { blobsOf, describeImage, type StoredBlob, type StoredImage } from './image.ts';
import { formatLayoutIndex } from './layout-index.ts';
import { artifactMode } from './settle-file.ts';
import { listVerity } from './verity.ts';

/** The database is consistent in itself. False if it is not, and stays so: then nothing that it says counts. */
export async function checkDatabase({ catalogue, damaged, repair }: Check): Promise<boolean> {
  const problem = findDatabaseProblem(catalogue);
  if (problem === undefined) return true;
  if (repair) await reopenRebuilt(catalogue);
  damaged.push({ kind: 'database', name: 'shale.db', problem, action: repair ? 'repaired' : 'none' });
  return repair;
}

function findDatabaseProblem({ database }: Catalogue): string | undefined {
  try {
    const rows = database.all('PRAGMA integrity_check(1)');
    const verdict = rows[0]?.integrity_check;
    return verdict === 'ok' ? undefined : String(verdict);
  } catch (error) {
    if (error instanceof ShaleError && error.code === 'corrupt') return error.message;
    throw error;
  }
}

/** Nobody but the owner can look into the cache, nor at a file should he ever get there; and nobody writes to artifacts. */
export function checkModes({ catalogue, damaged, repair }: Check): void {
  const { layout, images } = catalogue;
  const { root } = layout;
  const check = (path: string, correct: (mode: number) => number, problem: string): void => {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined || stats.isSymbolicLink()) return;
    const mode = stats.mode % 0o10000;
    const right = correct(mode);
    if (mode === right) return;
    damaged.push({
      ...{ kind: 'mode', name: path === root ? '.' : path.slice(root.length + 1) },
      problem: `${problem}: its mode is ${mode.toString(8).padStart(4, '0')}`,
      action: repair && tryChange(path, right) ? 'repaired' : 'none',
    });
  };
  const blobs = images.all().flatMap(image => blobsOf(image).map(({ digest }) => layout.blob(digest)));
  for (const path of new Set([root, ...blobs]))
    check(path, mode => mode - (mode % 0o100), 'others may use it');
  // What an earlier version stored becomes so when it gets its hashes.
  const artifacts = listArtifacts(catalogue).filter(({ fsverity }) => fsverity !== undefined);
  const keys = new Set(artifacts.map(({ key }) => key));
  const trees = listVerity(catalogue).filter(({ key }) => keys.has(key));
  for (const { path } of [...artifacts, ...trees]) check(path, () => artifactMode, 'it is not read-only');
}

/** False for a file that is sealed, or another user's. */
function tryChange(path: string, mode: number): boolean {
  try {
    chmodSync(path, mode);
    return true;
  } catch (error) {
    if (!isErrno(error, 'EPERM')) throw error;
    return false;
  }
}

/** The two files that make it an OCI layout say what they should. */
export function checkLayoutFiles({ catalogue, damaged, repair }: Check): void {
  const { layout, database, images } = catalogue;
  const action = repair ? 'repaired' : 'none';
  if (!readIfThere(layout.marker)?.toString().includes('"imageLayoutVersion"')) {
    if (repair) replaceFile(layout.marker, layoutMarker);
    damaged.push({ kind: 'layout', name: 'oci-layout', problem: 'it is missing or malformed', action });
  }
  // What is only unpublished is no damage.
  catalogue.tryPublish();
  database.write(() => {
    const wanted = formatLayoutIndex(images.all());
    if (catalogue.isDirty() || readIfThere(layout.index)?.equals(wanted)) return;
    if (repair) catalogue.writeIndex();
    const problem = 'it does not name the images that the database has';
    damaged.push({ kind: 'layout', name: 'index.json', problem, action });
  });
}

export interface MissingBlob {
  readonly digest: Digest;
  readonly problem: string;
  readonly image: StoredImage;
  readonly blob: StoredBlob;
}

/** What images need and the cache lacks, once for each image; in one transaction, so that a removal is no damage. */
export function findMissingBlobs({ database, images, layout }: Catalogue): MissingBlob[] {
  return database.write(() =>
    images.all().flatMap(image =>
      blobsOf(image)
        .filter(({ digest, size }) => findBlob(layout, digest, size) === undefined)
        .map(blob => {
          const problem = `it is missing, and ${describeImage(image)} needs it`;
          return { digest: blob.digest, problem, image, blob };
        }),
    ),
  );
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
