/**
 * A layer makes a symlink, and a later entry, of the same layer or of the next, goes through it: CVE-2014-6407 (Docker), the class that
 * every unpacker has had. Symlinks are resolved inside the root, name by name, and never by the kernel.
 */
import { test } from 'node:test';
import { attack, directory, file, symlink } from './outside.ts';

const through = (link: string) => [
  file(`${link}/precious`),
  file(`${link}/new`),
  directory(`${link}/deep`, { mtime: { seconds: 1, nanoseconds: 0 } }),
  directory(`${link}/made`),
  symlink(`${link}/link`, '/etc'),
  file(`${link}/deep/er/file`),
];

test('a relative symlink that climbs out, in one layer', () =>
  attack(() => [[symlink('s', '../outside'), ...through('s')]], 'applied'));

test('the same in the layer below', () =>
  attack(
    () => [
      [symlink('s', '../outside'), symlink('t', '../../outside')],
      [...through('s'), ...through('t')],
    ],
    'applied',
  ));

test('symlinks through symlinks, and a parent in the middle', () =>
  attack(
    () => [
      [
        directory('a'),
        symlink('a/up', '..'),
        symlink('a/out', 'up/../../outside'),
        symlink('b', 'a/out/deep'),
      ],
      [file('a/out/precious'), file('b/file'), file('b/er/file'), directory('b/er')],
    ],
    'applied',
  ));

test('a directory entry over such a symlink replaces it', () =>
  attack(
    () => [[symlink('s', '../outside')], [directory('s', { mode: 0o1777 }), ...through('s')]],
    'applied',
  ));

test('a symlink to itself, and one to nowhere', () =>
  attack(
    () => [[symlink('s', 's'), symlink('n', '../outside/none')], [file('n/x')], [file('s/x')]],
    'rejected',
  ));
