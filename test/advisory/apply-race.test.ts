/**
 * Another process puts a symlink where a directory was, between the look at a name and the use of it: CVE-2018-15664 (docker cp), CVE-2021-30465
 * (runc), and the race in tar extraction that containerd 2.2.3 closed. Every name is opened without following, and used
 * through what was opened.
 */
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { ShaleError } from '../../src/error/index.ts';
import { createScratch, needsLinux } from '../host/scratch.ts';
import { applyRecords } from '../layer/apply/stacks.ts';
import type { LayerRecord } from '../model/record.ts';
import { createOutside, directory, file, forms, hardlink } from './outside.ts';
import { startRace } from './race.ts';

const own = { uid: process.getuid!(), gid: process.getgid!() };
const late = { ...own, mode: 0o1777, mtime: { seconds: 77, nanoseconds: 0 } };
const layers: readonly (readonly LayerRecord[])[] = [
  [file('d/precious', own), file('d/new', own), file('d/deep/file', own)],
  [directory('d', late), directory('d/deep', late), directory('d/made', late)],
  [file('d/.wh.precious'), file('d/deep/.wh.file'), file('d/.wh.deep')],
  [file('d/.wh..wh..opq')],
  [hardlink('h', 'd/precious', late), file('h', own), hardlink('i', 'd/deep/file', late)],
];
const milliseconds = 1200;

for (const form of forms) {
  for (const [index, records] of layers.entries()) {
    test(`${form}, layer ${index}`, { skip: needsLinux }, async () => {
      using scratch = createScratch();
      const check = createOutside(scratch.at('outside'));
      let applied = 0;
      const end = Date.now() + milliseconds / layers.length;
      // Fresh each time: what a layer deletes is there again.
      for (let round = 0; Date.now() < end || round < 2; round += 1) {
        const root = scratch.at(`root-${round}`);
        mkdirSync(`${root}/d/deep/er`, { recursive: true });
        for (const name of ['precious', 'deep/file']) writeFileSync(`${root}/d/${name}`, 'inside');
        symlinkSync(round % 2 === 0 ? '../outside' : scratch.at('outside'), `${root}/s`);
        await using _race = await startRace(`${root}/d`, `${root}/s`);
        for (let again = 0; again < 40; again += 1) {
          try {
            await applyRecords(records, root, form);
            applied += 1;
          } catch (error) {
            if (!(error instanceof ShaleError)) throw error;
          }
        }
        check();
      }
      check();
      assert.ok(applied > 0, 'no layer was ever applied, so nothing was tried');
    });
  }
}
