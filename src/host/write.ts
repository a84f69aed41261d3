import { writeSync, writevSync } from 'node:fs';

/**
 * Bytes of one system call at the most. Linux makes the pages of its cache as large as what is written at once, where the
 * filesystem lets it, and to find a free MiB in one piece may take eight times as long as to write one (ext4, Linux 6.18).
 */
const mostBytes = 256 * 1024;
/** Pieces of one system call at the most: IOV_MAX is 1024. */
const mostPieces = 1000;

/** Writes all of a chunk at a position. Throws as `fs` does. */
export function writeAll(fd: number, chunk: Uint8Array, position: number): void {
  for (let done = 0; done < chunk.length; ) {
    // A call may write less than it is given when a signal comes, and where the disk ends.
    done += writeSync(fd, chunk, done, Math.min(mostBytes, chunk.length - done), position + done);
  }
}

/** Writes pieces one behind the other from a position on. Throws as `fs` does. */
export function writePieces(fd: number, pieces: readonly Uint8Array[], position: number): void {
  let [piece, offset] = [0, 0];
  while (piece < pieces.length) {
    const batch: Uint8Array[] = [];
    let [next, from, left] = [piece, offset, mostBytes];
    while (left > 0 && next < pieces.length && batch.length < mostPieces) {
      const { length } = pieces[next]!;
      const take = Math.min(left, length - from);
      batch.push(take === length ? pieces[next]! : pieces[next]!.subarray(from, from + take));
      left -= take;
      if (from + take < length) break;
      next += 1;
      from = 0;
    }
    let written = writevSync(fd, batch, position);
    position += written;
    while (piece < pieces.length && written >= pieces[piece]!.length - offset) {
      written -= pieces[piece]!.length - offset;
      piece += 1;
      offset = 0;
    }
    offset += written;
  }
}
