import { type ByteString, type Node, printable } from '../tree/index.ts';
import { ErofsError } from './error.ts';
import { noBlock } from './layout.ts';

/** The block that begins at a position; throws ErofsError `unsupported` behind the last that has a number. */
export function blockNumber(position: number, blockSize: number, node: Node<unknown>): number {
  const block = position / blockSize;
  if (Number.isInteger(block) && block >= 0 && block < noBlock) return block;
  if (block >= noBlock) {
    throw unsupported(node.path, `data at ${position}, behind 2^32 blocks of ${blockSize} bytes`);
  }
  throw misplaced(node.path, { position, blockSize });
}

export function unsupported(path: ByteString, what: string): ErofsError {
  return new ErofsError('unsupported', `EROFS cannot hold ${what}: /${printable(path)}`, {
    detail: { path },
    hint: 'choose another format, or remove it from the image',
  });
}

/** What is said of a file's data contradicts its size. */
export function misplaced(path: ByteString, detail: Readonly<Record<string, unknown>>): ErofsError {
  return new ErofsError('internal', `the data of /${printable(path)} does not fit it`, {
    detail: { path, ...detail },
  });
}
