import { readFileSync, writeFileSync } from 'node:fs';
import { isErrno, wrapErrno } from '../../../error/index.ts';
import { decodeIndex, encodeIndex } from '../../../layer/index.ts';
import { parseDigest } from '../../../oci/index.ts';
import type { StoredContents } from './tar-layer.ts';

/** Writes down what a layer says, for whoever gives it metadata anew once its parents are known: a line with its DiffID, and its index. */
export function keepContents(path: string, { entries, diffId }: StoredContents): void {
  const bytes = Buffer.concat([Buffer.from(`${diffId}\n`), encodeIndex({ entries })]);
  writeFileSync(path, bytes, { mode: 0o600 });
}

/** What `keepContents` has written; `undefined` if it has not: nothing is left to be said. */
export function findContents(path: string): StoredContents | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw wrapErrno(error, `cannot read ${path}`);
  }
  const line = bytes.indexOf('\n');
  const { entries } = decodeIndex(bytes.subarray(line + 1));
  return { entries, diffId: parseDigest(bytes.toString('latin1', 0, line)) };
}
