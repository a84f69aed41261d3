/**
 * A tree is removed while another process puts a symlink in the place of one of its directories, or of the tree itself: CVE-2022-21658 (Rust's
 * remove_dir_all), CVE-2024-23652 (BuildKit). What is not a directory is unlinked, and a directory is entered without following.
 */
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { removeTree } from '../../src/host/index.ts';
import { createScratch, needsLinux } from '../host/scratch.ts';
import { createOutside } from './outside.ts';
import { startRace } from './race.ts';

for (const raced of ['a directory in the tree', 'the tree itself'] as const) {
  test(raced, { skip: needsLinux }, async () => {
    using scratch = createScratch();
    const check = createOutside(scratch.at('outside'));
    let removed = 0;
    for (let round = 0; round < 6; round += 1) {
      const base = scratch.at(`${round}`);
      const one = raced === 'the tree itself' ? `${base}/root` : `${base}/root/d`;
      const other = raced === 'the tree itself' ? `${base}/other` : `${base}/root/s`;
      mkdirSync(base);
      symlinkSync('../outside', raced === 'the tree itself' ? other : `${base}/link`);
      await using _race = await (async () => {
        fill(`${base}/root`);
        if (raced !== 'the tree itself') symlinkSync('../../outside', other);
        return startRace(one, other);
      })();
      for (let again = 0; again < 60; again += 1) {
        try {
          removeTree(`${base}/root`);
          removed += 1;
          // Never through its name, which may be the symlink just now.
          fill(`${base}/fresh`);
          if (raced !== 'the tree itself') symlinkSync('../../outside', `${base}/fresh/s`);
          renameSync(`${base}/fresh`, `${base}/root`);
        } catch (error) {
          // Names come and go; what matters is what happens outside.
          assert.equal(typeof (error as NodeJS.ErrnoException).code, 'string', String(error));
        }
        check();
      }
    }
    assert.ok(removed > 0, 'nothing was ever removed');
  });
}

function fill(root: string): void {
  mkdirSync(`${root}/d/deep/er`, { recursive: true });
  for (const name of ['precious', 'deep/file', 'deep/er/file', 'deep/er/more'])
    writeFileSync(`${root}/d/${name}`, 'inside');
}
