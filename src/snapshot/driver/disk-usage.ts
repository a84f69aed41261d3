import { type BigIntStats, lstatSync } from 'node:fs';
import { Descent, pathBytes, readNames } from '../../host/index.ts';
import type { ByteString } from '../../tree/index.ts';
import type { Usage } from '../snapshotter.ts';

/** What a directory and all below it take: each inode once, in blocks that the filesystem has given. Follows no symlink. */
export function measureUsage(directory: string): Usage {
  let size = 0;
  let inodes = 0;
  const seen = new Set<bigint>();
  const count = (stat: BigIntStats) => {
    if (stat.nlink > 1n && !stat.isDirectory()) {
      if (seen.has(stat.ino)) return;
      seen.add(stat.ino);
    }
    inodes += 1;
    size += Number(stat.blocks) * 512;
  };
  using descent = Descent.open(directory);
  const stat = (name: ByteString) => lstatSync(pathBytes(descent.at(name)), { bigint: true });
  count(stat('.'));
  const pending: ByteString[][] = [readNames(descent.at('.'))];
  for (let names = pending.at(-1); names !== undefined; names = pending.at(-1)) {
    const name = names.pop();
    if (name === undefined) {
      pending.pop();
      descent.leave();
      continue;
    }
    const found = stat(name);
    count(found);
    if (!found.isDirectory()) continue;
    descent.enter(name);
    pending.push(readNames(descent.at('.')));
  }
  return { size, inodes };
}
