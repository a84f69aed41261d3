import type { Node, Timestamp } from '../tree/index.ts';

/** The time that most inodes have, the earliest of several; inodes of that time may be compact. Linear in the inodes. */
export function commonTime(nodes: readonly Node<unknown>[]): Timestamp {
  const counts = new Map<number, Map<number, number>>();
  let best = nodes[0]!.inode.mtime;
  let most = 0;
  for (const { inode } of nodes) {
    const { seconds, nanoseconds } = inode.mtime;
    let within = counts.get(seconds);
    if (within === undefined) {
      within = new Map();
      counts.set(seconds, within);
    }
    const count = (within.get(nanoseconds) ?? 0) + 1;
    within.set(nanoseconds, count);
    if (count > most || (count === most && isEarlier(inode.mtime, best))) {
      most = count;
      best = inode.mtime;
    }
  }
  return best;
}

function isEarlier(a: Timestamp, b: Timestamp): boolean {
  return a.seconds === b.seconds ? a.nanoseconds < b.nanoseconds : a.seconds < b.seconds;
}
