/** An entry for the root itself that is no directory: CVE-2021-29136 (umoci), where a layer made its root a symlink to the host's. */
import { test } from 'node:test';
import { attack, directory, file, hardlink, symlink } from './outside.ts';

// A header calls a directory what ends with a slash and says nothing else: so the paths are these.
for (const path of ['.', './.', '/.']) {
  test(`a symlink ${path}`, () =>
    attack(outside => [[symlink(path, outside), file('precious')]], 'rejected'));
  test(`a relative symlink ${path}`, () =>
    attack(() => [[directory('a')], [symlink(path, '../outside'), file('precious')]], 'rejected'));
  test(`a hardlink ${path}`, () =>
    attack(() => [[file('a'), hardlink(path, 'a'), file('precious')]], 'rejected'));
  test(`a fifo ${path}`, () =>
    attack(() => [[{ ...file(path), type: 'fifo', content: '', size: 0 }]], 'rejected'));
}

test('whiteouts of the root', () => attack(() => [[file('a')], [file('/.wh..'), file('b')]], 'rejected'));

test('a root with metadata of its own', () =>
  attack(() => [[directory('./', { mode: 0o700 }), file('a')]], 'applied'));
