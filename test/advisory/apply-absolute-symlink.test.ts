/**
 * An absolute symlink, and a write through it: CVE-2014-9356 (Docker). It means the root that it is in, as in a chroot; the
 * path of something on the host is only a path inside.
 */
import { test } from 'node:test';
import { attack, directory, file, hardlink, symlink } from './outside.ts';

test('to a directory outside', () =>
  attack(
    outside => [[symlink('s', outside), file('s/precious'), directory('s/deep'), file('s/deep/new')]],
    'applied',
  ));

test('to a directory outside, in the layer below', () =>
  attack(
    outside => [[symlink('s', outside)], [file('s/precious'), directory('s', { mode: 0o700 })]],
    'applied',
  ));

test('to a file outside, which is then written, linked and replaced', () =>
  attack(
    outside => [
      [symlink('s', `${outside}/precious`)],
      [hardlink('h', 's'), file('h2'), hardlink('h3', 's', { mode: 0o4777 })],
      [file('s'), file('h')],
    ],
    'applied',
  ));

test('through the root and out of it again', () =>
  attack(
    outside => [[symlink('s', '/'), symlink('t', `s/../../../..${outside}`), file('t/precious')]],
    'applied',
  ));
