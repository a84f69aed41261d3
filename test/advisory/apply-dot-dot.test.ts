/** `..` in a path, a target or a marker: Zip Slip (CVE-2018-1002200 and its kind), and Docker before 1.3.3 (CVE-2014-9357). */
import { test } from 'node:test';
import { attack, directory, file, hardlink, symlink } from './outside.ts';

for (const path of [
  '../outside/precious',
  'a/../../outside/precious',
  './../outside/x',
  '/../outside/x',
  'a/..',
  '..',
]) {
  test(`a file ${path}`, () => attack(() => [[file(path)]], 'rejected'));
  test(`a directory ${path}`, () => attack(() => [[directory(path)]], 'rejected'));
  test(`a hardlink to ${path}`, () => attack(() => [[file('a'), hardlink('h', path)]], 'rejected'));
}

for (const path of [
  '../outside/.wh.precious',
  '.wh...',
  '.wh..',
  '.wh.',
  'a/.wh...',
  '../.wh.outside',
  '.wh.../x',
  '../outside/.wh..wh..opq',
]) {
  test(`a whiteout ${path}`, () => attack(() => [[directory('a')], [file(path)]], 'rejected'));
}

test('a symlink to .. is only a symlink', () =>
  attack(() => [[symlink('s', '..'), file('s/outside/precious')]], 'applied'));
