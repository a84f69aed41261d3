/**
 * A hardlink whose target is outside, or is reached through a symlink that leads there; then the link is written to: CVE-2014-6407
 * (Docker), and `tar`'s oldest trick. Targets are looked up inside the root, and a link is never followed or written to.
 */
import { test } from 'node:test';
import { attack, file, hardlink, symlink } from './outside.ts';

test('by an absolute path', () =>
  attack(outside => [[hardlink('h', `${outside}/precious`), file('h')]], 'rejected'));

test('through a symlink in the same layer', () =>
  attack(() => [[symlink('s', '../outside'), hardlink('h', 's/precious'), file('h')]], 'rejected'));

test('through a symlink in the layer below', () =>
  attack(
    outside => [
      [symlink('s', outside), symlink('r', '../outside')],
      [hardlink('h', 'r/precious'), file('h')],
    ],
    'rejected',
  ));

test('through a symlink that the layer replaces later', () =>
  attack(outside => [[symlink('s', outside)], [hardlink('h', 's/deep/file'), file('s')]], 'rejected'));

test('to the name of a symlink, which is then a parent', () =>
  attack(
    () => [[symlink('s', '../outside'), hardlink('h', 's'), file('h/precious'), file('h/deep/file')]],
    'applied',
  ));
