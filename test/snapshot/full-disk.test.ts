/** On a full disk snapshots can be removed: nothing else would make room. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { drivers, Snapshots } from '../../src/snapshot/index.ts';
import { createScratch } from '../host/scratch.ts';

/** A disk of 4 MiB. */
function mountSmall(at: string): Disposable | undefined {
  mkdirSync(at);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'none', at]).status !== 0) return undefined;
  return { [Symbol.dispose]: () => void spawnSync('umount', [at]) };
}

function fill(path: string): void {
  for (const size of [1 << 20, 4096, 512]) {
    try {
      for (;;) appendFileSync(path, Buffer.alloc(size, 1));
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
    }
  }
}

for (const reopened of [false, true]) {
  test(`a full disk: ${reopened ? 'who opens it anew' : 'who has it open'} removes snapshots, and then makes them again`, async t => {
    using scratch = createScratch();
    using disk = mountSmall(scratch.at('disk'));
    if (disk === undefined) return t.skip('cannot mount a tmpfs');
    const root = scratch.at('disk/native');
    const open = async () => await Snapshots.open(root, await drivers.native.open({ root }));
    let snapshots = await open();
    try {
      for (let number = 0; number < 3; number++) {
        const [mount] = await snapshots.prepare(`key-${number}`, undefined);
        appendFileSync(join(mount!.source, 'file'), Buffer.alloc(400_000, 1));
      }
      // What SQLite has written already is written anew from its beginning: then it has to grow.
      if (reopened) await snapshots.close();
      fill(scratch.at('disk/rest'));
      if (reopened) snapshots = await open();
      const many = Object.fromEntries(
        Array.from({ length: 300 }, (_, n) => [`label-${n}`, 'x'.repeat(4000)]),
      );
      await assert.rejects(snapshots.prepare('more', undefined, { labels: many }), { code: 'exhausted' });
      for (let number = 0; number < 3; number++) await snapshots.remove(`key-${number}`);
      await snapshots.cleanup();
      rmSync(scratch.at('disk/rest'));
      await snapshots.prepare('more', undefined);
      await snapshots.remove('more');
      assert.ok(existsSync(join(root, 'metadata.db-reserve')));
    } finally {
      await snapshots.close();
    }
  });
}
