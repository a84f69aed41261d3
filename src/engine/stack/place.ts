import { chmodSync, lstatSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ShaleError, wrapErrno } from '../../error/index.ts';
import {
  createAtomicFile,
  createTemporaryDirectory,
  exchangeNames,
  syncDirectory,
  syncParent,
  type TemporaryDirectory,
  umask,
} from '../../host/index.ts';
import type { Store, StoredArtifact } from '../../store/index.ts';
import { byteString } from '../../tree/index.ts';
import { type HashingOptions, hashFiles, type IntegrityRequest, refuseSealed } from '../integrity/index.ts';
import { isStack } from './detect.ts';
import { describeFile, formatManifest, manifestName, redescribe, type StackManifest } from './manifest.ts';

/** A file of a stack: its place below the directory, and what belongs there. */
export interface PlacedFile {
  readonly file: string;
  readonly artifact: StoredArtifact;
}

/**
 * Puts a stack into a directory: whole and durable, or not at all. Files are links to the cache's where that can be. A stack
 * that is there gives way in one step; anything else that is there is `exists`. Returns what the manifest says then.
 */
export async function placeStack(
  store: Store,
  path: string,
  files: readonly PlacedFile[],
  manifest: StackManifest,
  hashing: IntegrityRequest & HashingOptions,
): Promise<StackManifest> {
  const place = resolve(path);
  checkPlace(path);
  using draft = createDraft(place);
  const directories = new Set([...files.map(({ file }) => dirname(join(draft.path, file))), draft.path]);
  for (const directory of directories) mkdirSync(directory, { recursive: true });
  // What is changed, or sealed, is not the cache's.
  const own = hashing.hashTree === 'append' || hashing.seal;
  for (const { file, artifact } of files) {
    await store.linkArtifact(artifact, join(draft.path, file), { own, unsynced: true });
  }
  const hashed = await hashFiles(
    files.map(({ file, artifact }) => ({
      path: join(draft.path, file),
      described: describeFile(file, artifact),
    })),
    hashing,
    hashing,
  );
  const complete = redescribe(manifest, hashed);
  {
    await using file = await createAtomicFile(join(draft.path, manifestName));
    file.append(Buffer.from(formatManifest(complete)));
    await file.commit();
  }
  chmodSync(draft.path, 0o777 - (umask() % 0o1000));
  for (const directory of directories) await syncDirectory(directory);
  // Again: hash trees take their time, and what is there now is what would be removed.
  const old = checkPlace(path);
  try {
    if (!old) renameSync(draft.path, place);
    else if (!exchangeNames(byteString(draft.path), byteString(place))) throw cannotReplace(place);
  } catch (error) {
    throw wrapErrno(error, `cannot put a stack at ${place}`);
  }
  // What was exchanged is what is removed now.
  if (!old) draft.keep();
  await syncParent(place);
  return complete;
}

/** A directory beside the place, for what is on its way there. Throws a ShaleError. */
export function createDraft(place: string): TemporaryDirectory {
  try {
    return createTemporaryDirectory(place);
  } catch (error) {
    throw wrapErrno(error, `cannot write in ${dirname(place)}`);
  }
}

/** Whether a stack is there, and nothing beside it; `exists` if it is something else. */
export function checkPlace(path: string): boolean {
  const place = resolve(path);
  try {
    if (lstatSync(place, { throwIfNoEntry: false }) === undefined) return false;
  } catch (error) {
    throw wrapErrno(error, `cannot see what is at ${place}`);
  }
  if (isReplaceable(place)) {
    for (const name of listOwn(path)) refuseSealed(join(place, name));
    return true;
  }
  throw new ShaleError('exists', `${path} exists already, and is no stack that could be replaced`, {
    detail: { path },
    hint: 'remove it first, or choose another name',
  });
}

function isReplaceable(place: string): boolean {
  try {
    return isStack(place);
  } catch (error) {
    throw wrapErrno(error, `cannot read ${join(place, manifestName)}`);
  }
}

const ownNames = [
  'layers',
  'head.erofs',
  'merged.erofs',
  'head.erofs.verity',
  'merged.erofs.verity',
  manifestName,
];
const layerFile = /^[0-9a-f]{64}\.(erofs|tar)(\.verity)?$/;

/**
 * The names of a stack's files. `exists` if anything else is there: what replaces a stack removes all that is below its directory,
 * a user's notes would go, and what is mounted there.
 */
function listOwn(path: string): string[] {
  const place = resolve(path);
  const names = readdirSync(place);
  const layers = names.includes('layers') ? readdirSync(join(place, 'layers')) : [];
  const stranger = names.find(name => !ownNames.includes(name)) ?? layers.find(name => !layerFile.test(name));
  if (stranger === undefined) {
    const files = names.filter(name => name !== 'layers');
    return [...files, ...layers.map(name => join('layers', name))];
  }
  throw new ShaleError('exists', `${path} is a stack, but holds ${stranger}, too, which would be lost`, {
    detail: { path, stranger },
    hint: 'move it away (a mount point: unmount and remove it), or choose another name',
  });
}

function cannotReplace(place: string): ShaleError {
  return new ShaleError('unsupported', `the filesystem of ${place} cannot exchange directories`, {
    detail: { path: place },
    hint: 'remove the stack that is there first',
  });
}
