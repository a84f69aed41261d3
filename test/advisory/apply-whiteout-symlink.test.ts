/**
 * A whiteout whose parent is a symlink: what it deletes must be inside. The class of CVE-2014-6407 turned to deletion, as in BuildKit's
 * CVE-2024-23652, where a clean-up that followed a symlink removed files of the host.
 */
import { test } from 'node:test';
import { attack, directory, file, symlink } from './outside.ts';

const markers = (link: string) => [
  file(`${link}/.wh.precious`),
  file(`${link}/.wh.deep`),
  file(`${link}/deep/.wh.file`),
];

test('a symlink below', () =>
  attack(
    outside => [
      [symlink('s', outside), symlink('r', '../outside')],
      [...markers('s'), ...markers('r')],
    ],
    'applied',
  ));

test('a symlink of the same layer, before and after', () =>
  attack(
    () => [
      [symlink('s', '../outside'), ...markers('s')],
      [...markers('r'), symlink('r', '../outside')],
    ],
    'applied',
  ));

test('a symlink itself is deleted, not what it means', () =>
  attack(
    outside => [
      [symlink('s', outside), symlink('p', `${outside}/precious`)],
      [file('.wh.s'), file('.wh.p')],
    ],
    'applied',
  ));

test('a directory full of symlinks', () =>
  attack(
    outside => [
      [
        directory('d'),
        symlink('d/a', outside),
        symlink('d/b', '../../outside'),
        directory('d/e'),
        symlink('d/e/f', '../../../outside'),
      ],
      [file('.wh.d')],
    ],
    'applied',
  ));

test('a symlink that the layer replaces by a directory', () =>
  attack(
    outside => [[symlink('s', outside)], [...markers('s'), directory('s'), file('s/precious')]],
    'applied',
  ));
