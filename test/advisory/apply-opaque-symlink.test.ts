/** An opaque marker in what is a symlink: all in the directory that it means would go. See apply-whiteout-symlink. */
import { test } from 'node:test';
import { attack, directory, file, symlink } from './outside.ts';

test('a symlink below', () =>
  attack(
    outside => [
      [symlink('s', outside), symlink('r', '../outside')],
      [file('s/.wh..wh..opq'), file('r/deep/.wh..wh..opq')],
    ],
    'applied',
  ));

test('a symlink of the same layer', () =>
  attack(
    () => [[symlink('s', '../outside'), file('s/.wh..wh..opq')], [file('s/deep/.wh..wh..opq')]],
    'applied',
  ));

test('an opaque directory that holds symlinks, and an opaque root', () =>
  attack(
    outside => [
      [directory('d'), symlink('d/s', outside), symlink('s', '../outside')],
      [file('d/.wh..wh..opq')],
      [file('.wh..wh..opq'), symlink('t', outside)],
      [file('.wh..wh..opq'), file('t/precious')],
    ],
    'applied',
  ));

test('AUFS metadata that are symlinks', () =>
  attack(
    outside => [
      [
        symlink('.wh..wh.plnk', outside),
        file('.wh..wh.plnk/precious'),
        symlink('.wh..wh.aufs', '../outside'),
      ],
      [file('.wh..wh.plnk/.wh.precious')],
    ],
    'applied',
  ));
