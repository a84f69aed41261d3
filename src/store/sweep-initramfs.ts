import { lstatSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Candidate, diskBytes, taken, temporary } from './candidate.ts';
import { type Layout, listNames } from './layout.ts';

/** How long one is kept that nobody reads, in milliseconds. */
const idleLife = 24 * 60 * 60 * 1000;

/**
 * What kernels of zones start with: made in a moment of what else is there, so it goes when it was not read for a day. (Linux
 * notes a read at least once a day; where it notes none, the day begins when the file was made.)
 */
export function* sweepInitramfs(layout: Layout, now: number): Generator<Candidate> {
  for (const name of listNames(layout.initramfs)) {
    const path = join(layout.initramfs, name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) continue;
    if (stats.isSymbolicLink()) {
      // What names a file goes after it.
      if (statSync(path, { throwIfNoEntry: false }) === undefined) yield temporary(layout, path, stats, now);
      continue;
    }
    const changed = Math.max(stats.mtimeMs, stats.atimeMs);
    yield {
      ...{ kind: 'initramfs', name: `initramfs/${name}`, bytes: diskBytes(path), changed },
      kept: changed + idleLife > now ? 'it was used within a day' : undefined,
      remove: trash => taken(trash, path),
    };
  }
}
