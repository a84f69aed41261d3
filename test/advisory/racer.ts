/**
 * Run by itself: exchanges two names, one a directory and one a symlink, as fast as it can until it is killed. Says `ready` first.
 *
 *     racer.ts ONE OTHER
 */
import { writeSync } from 'node:fs';
import { exchangeNames } from '../../src/host/index.ts';

const [one, other] = process.argv.slice(2) as [string, string];
writeSync(1, 'ready\n');
for (;;) {
  try {
    if (!exchangeNames(one, other)) break;
  } catch {
    // Whoever is attacked may have taken one of them away.
  }
}
