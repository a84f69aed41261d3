/**
 * A hardlink to a symlink, whose metadata would then be set through it: CVE-2021-32760 (containerd, GHSA-c72p-9xmj-rx3w) gave host files
 * other modes so. A link has its file's metadata; what stands in a target is never given any.
 */
import { test } from 'node:test';
import { attack, directory, file, hardlink, symlink } from './outside.ts';

const loud = {
  mode: 0o7777,
  uid: 12,
  gid: 34,
  mtime: { seconds: 77, nanoseconds: 7 },
  xattrs: new Map([['user.x', Buffer.from('1')]]),
};

test('in one layer', () =>
  attack(
    outside => [
      [symlink('s', `${outside}/precious`, loud), hardlink('h', 's', loud), hardlink('i', 'h', loud)],
    ],
    'applied',
  ));

test('over layers', () =>
  attack(
    () => [
      [symlink('s', '../outside/deep', loud)],
      [hardlink('h', 's', loud)],
      [hardlink('i', 'h', loud), directory('d', loud)],
    ],
    'applied',
  ));

test('a symlink with metadata of its own', () =>
  attack(outside => [[symlink('s', outside, loud), symlink('t', `${outside}/precious`, loud)]], 'applied'));

test('a name that exists here and where the program runs', () =>
  attack(
    () => [[file('package.json'), symlink('s', '/etc/hostname'), hardlink('etc/hostname', 's', loud)]],
    'applied',
  ));
