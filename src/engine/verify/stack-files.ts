import { type Dirent, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ShaleError, wrapErrno } from '../../error/index.ts';
import { type MeasuredFile, measureStored } from '../../store/measure.ts';
import { type ByteString, byteString, printable } from '../../tree/index.ts';
import { VerityError, verifyVerityTree, verityBlockSize } from '../../verity/index.ts';
import { filesOf, manifestName, type StackFile } from '../stack/manifest.ts';
import type { OpenedStack } from '../stack/open.ts';
import { Differences } from './difference.ts';

export interface StackFilesReport {
  readonly differences: Differences;
  /** Those that `stack.json` describes, and their bytes. */
  readonly files: number;
  readonly bytes: number;
}

/**
 * Compares every file of a stack with what `stack.json` says of it, by reading it once: size, digest, root hash, fs-verity digest. A file
 * with a hash tree is read again, to compare the two. What is missing, or there and not named, is a difference too.
 */
export async function checkStackFiles(
  stack: OpenedStack,
  options: { readonly jobs?: number | undefined; readonly signal?: AbortSignal | undefined },
): Promise<StackFilesReport> {
  const differences = new Differences('files');
  const files = filesOf(stack.manifest);
  for (const file of files) await checkFile(stack, file, differences, options);
  const named = new Set(files.flatMap(({ file, hashFile = file }) => [file, hashFile]));
  findExtra(stack.path, named.add(manifestName), differences);
  return { differences, files: files.length, bytes: files.reduce((sum, { size }) => sum + size, 0) };
}

async function checkFile(
  { locate }: OpenedStack,
  described: StackFile,
  differences: Differences,
  { jobs, signal }: { readonly jobs?: number | undefined; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const { file, size, rootHash, hashFile, hashOffset } = described;
  const name = byteString(file);
  const isAppended = hashFile === file;
  const path = find(locate, file, differences);
  const tree = hashFile === undefined || isAppended ? path : find(locate, hashFile, differences);
  if (path === undefined) return;
  const actual = statSync(path).size;
  if (actual !== size) {
    differences.add(name, 'size', () => [String(size), String(actual)]);
    return;
  }
  const measured = await measureStored(path, size, {
    ...{ signal, part: isAppended ? { salt: '', dataBlocks: hashOffset! / verityBlockSize } : undefined },
  });
  compare(described, measured, differences);
  if (hashFile === undefined || tree === undefined || rootHash === undefined) return;
  try {
    // What is wrong with the data is told already; this tells where.
    await verifyVerityTree({ data: path, tree, hashOffset, rootHash, jobs, signal });
  } catch (error) {
    if (!(error instanceof VerityError) || error.code === 'cancelled') throw error;
    differences.add(byteString(hashFile), 'hash-tree', () => [`root hash ${rootHash}`, error.message]);
  }
}

function compare(described: StackFile, measured: MeasuredFile, differences: Differences): void {
  for (const [what, field] of [
    ['digest', 'digest'],
    ['root-hash', 'rootHash'],
    ['fs-verity', 'fsverity'],
  ] as const) {
    const [expected, actual] = [described[field], measured[field]];
    if (expected === actual) continue;
    differences.add(byteString(described.file), what, () => [expected, actual]);
  }
}

/** Only what really is in the stack is opened. */
function find(locate: OpenedStack['locate'], file: string, differences: Differences): string | undefined {
  try {
    return locate(file);
  } catch (error) {
    if (!(error instanceof ShaleError)) throw error;
    const { code, detail } = error;
    if (code === 'not-found') differences.add(byteString(file), 'missing', () => ['file', undefined]);
    else if (code === 'invalid') {
      differences.add(byteString(file), 'type', () => ['file', String(detail.what ?? error.message)]);
    } else throw error;
    return undefined;
  }
}

/** Links are not followed, nor is anything looked into that holds nothing of the stack. */
function findExtra(root: string, named: ReadonlySet<string>, differences: Differences): void {
  const known = new Set([...named].map(byteString));
  const directories = new Set<string>();
  for (const name of named) {
    for (let up = dirname(name); up !== '.'; up = dirname(up)) directories.add(byteString(up));
  }
  const pending = [''];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for (const entry of listDirectory(join(byteString(root), directory))) {
      const below = entry.name.toString('latin1');
      const name = directory === '' ? below : `${directory}/${below}`;
      if (known.has(name)) continue;
      if (entry.isDirectory() && directories.has(name)) pending.push(name);
      else differences.add(name, 'extra', () => [undefined, typeOf(entry)]);
    }
  }
}

function listDirectory(path: ByteString): Dirent<Buffer>[] {
  try {
    const entries = readdirSync(Buffer.from(path, 'latin1'), { withFileTypes: true, encoding: 'buffer' });
    return entries.sort((a, b) => Buffer.compare(a.name, b.name));
  } catch (error) {
    throw wrapErrno(error, `cannot read ${printable(path)}`);
  }
}

function typeOf(entry: Dirent<Buffer>): string {
  return entry.isFile()
    ? 'file'
    : entry.isDirectory()
      ? 'directory'
      : entry.isSymbolicLink()
        ? 'symlink'
        : 'special file';
}
