/**
 * A fifo or a device where a later entry has a file, and at a name that is only looked at: opened, a fifo holds its opener for ever, and a device
 * does what it does. Nothing that stands in a target is opened; a layer is made without opening anything but regular files.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import type { ShaleError } from '../../src/error/index.ts';
import { makeNode } from '../../src/host/index.ts';
import { createScratch, needsRoot } from '../host/scratch.ts';
import { applyRecords } from '../layer/apply/stacks.ts';
import { attack, directory, file, forms, hardlink, readBack, symlink } from './outside.ts';

const fifo = (path: string) => ({ ...file(path), type: 'fifo', content: '', size: 0 }) as const;
const device = (path: string, major: number, minor: number) =>
  ({ ...file(path), type: 'character', content: '', size: 0, major, minor }) as const;
const soon = { timeout: 20_000 };

test('fifos that are written, linked, passed through and made directories', soon, () =>
  attack(
    () => [
      [fifo('p'), fifo('q'), fifo('r'), fifo('s'), symlink('l', 'p')],
      [file('p'), hardlink('h', 'q'), directory('r'), file('s/x'), file('l')],
      [file('h'), file('.wh.q')],
    ],
    'applied',
  ),
);

test('devices, such as the one that takes input from whoever opens it', { ...soon, skip: needsRoot }, () =>
  attack(
    () => [
      // /dev/full, /dev/tty, /dev/watchdog (misc 130): opened, the last one reboots the machine.
      [device('full', 1, 7), device('tty', 5, 0), device('watchdog', 10, 130), device('h', 10, 130)],
      [file('full'), file('tty'), file('watchdog'), hardlink('again', 'h')],
      [file('h'), directory('again')],
    ],
    'applied',
  ),
);

test('fifos that are there already, named as a form names its own', soon, async () => {
  using scratch = createScratch();
  for (const form of forms) {
    const root = scratch.at(form);
    mkdirSync(root);
    for (const name of ['.wh.a', '.wh..wh..opq', 'b', '.wh..wh.plnk']) makeNode(`${root}/${name}`, 'fifo');
    const own = { uid: process.getuid!(), gid: process.getgid!() };
    await applyRecords([file('b', own), file('.wh.a')], root, form);
    // In a directory that is as it is, such names are what no layer can say.
    const back = readBack(root, form, scratch.at(`${form}-layer`));
    if (form === 'aufs' || form === 'fuse-overlayfs') await back;
    else await assert.rejects(back, (error: ShaleError) => error.code === 'unsupported');
  }
});
