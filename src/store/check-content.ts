import { createHash } from 'node:crypto';
import { lstatSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { readLocation } from '../content/index.ts';
import { ShaleError } from '../error/index.ts';
import { type Digest, digestAlgorithm } from '../oci/index.ts';
import type { Check, Damage } from './fsck.ts';
import { readLayerIndex } from './layer-index.ts';
import { findDigest, listNames } from './layout.ts';
import { removeSealed } from './remove-sealed.ts';

/** One part of a check: how much it will read, and the reading. */
export interface Part {
  readonly bytes: number;
  run(): Promise<void>;
}

interface Named {
  readonly digest: Digest;
  readonly path: string;
  readonly stats: Stats;
}

/** Every blob has the digest that it is named by. */
export function checkBlobs(check: Check): Part {
  const blobs = listDigests(check.catalogue.layout.blobs);
  return {
    bytes: sizes(blobs),
    async run() {
      for (const { digest, path, stats } of blobs) {
        const problem = await judge(check, path, stats, async () => {
          const actual = await hashFile(check, path, stats.size, digest);
          return actual === digest ? undefined : `its digest is ${actual}`;
        });
        if (problem !== undefined) drop(check, { kind: 'blob', name: digest, problem }, path, stats);
      }
    },
  };
}

/** Every layer index has the digest that its header says. */
export function checkLayerIndexes(check: Check): Part {
  const indexes = listDigests(check.catalogue.layout.layers);
  return {
    bytes: sizes(indexes),
    async run() {
      for (const { digest, path, stats } of indexes) {
        const problem = await judge(check, path, stats, async () => {
          const chunks: Uint8Array[] = [];
          for await (const chunk of readLocation({ path, offset: 0, size: stats.size }, check)) {
            check.read(chunk.length);
            chunks.push(chunk);
          }
          return readLayerIndex(Buffer.concat(chunks)) === undefined
            ? 'it does not match its checksum'
            : undefined;
        });
        if (problem !== undefined) drop(check, { kind: 'index', name: digest, problem }, path, stats);
      }
    },
  };
}

/** What is wrong with a file; one that went away meanwhile was somebody's to remove, and is right. */
export async function judge(
  check: Check,
  path: string,
  stats: Stats,
  read: () => Promise<string | undefined>,
): Promise<string | undefined> {
  if (!stats.isFile()) return 'it is not a regular file';
  try {
    const problem = await read();
    check.counted.checked += 1;
    return problem;
  } catch (error) {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
    // A disk that cannot read it back, or a file that is shorter than it was.
    if (error instanceof ShaleError && (error.code === 'unavailable' || error.code === 'corrupt'))
      return error.message;
    throw error;
  }
}

/** The digest of a file, by the algorithm of the one that it should have. */
export async function hashFile(check: Check, path: string, size: number, digest: Digest): Promise<string> {
  const algorithm = digestAlgorithm(digest);
  const hash = createHash(algorithm);
  for await (const chunk of readLocation({ path, offset: 0, size }, check)) {
    check.read(chunk.length);
    hash.update(chunk);
  }
  return `${algorithm}:${hash.digest('hex')}`;
}

function drop({ damaged, repair }: Check, damage: Omit<Damage, 'action'>, path: string, stats: Stats): void {
  if (repair) removeSame(path, stats);
  damaged.push({ ...damage, action: repair ? 'dropped' : 'none' });
}

/** Unless another one has come in its place. */
export function removeSame(path: string, { ino }: Stats): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.ino === ino) removeSealed(path);
}

function listDigests(directory: string): Named[] {
  return listNames(directory).flatMap(algorithm =>
    listNames(join(directory, algorithm)).flatMap(hex => {
      const path = join(directory, algorithm, hex);
      const stats = lstatSync(path, { throwIfNoEntry: false });
      const digest = findDigest(`${algorithm}:${hex}`); // other names are gc's business
      return stats === undefined || digest === undefined ? [] : [{ digest, path, stats }];
    }),
  );
}

function sizes(files: readonly Named[]): number {
  return files.reduce((sum, { stats }) => sum + stats.size, 0);
}
