import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LayerIndex } from '../../src/layer/index.ts';
import { countHiddenBytes, merge, why } from '../../src/merge/index.ts';
import { dir, file, layer, link, opq, symlink, wh } from '../layer/dsl.ts';
import { mergeOptions } from './tree.ts';

/** `layer action by record-type record-path [hidden by]` */
function steps(path: string, ...layers: LayerIndex[]): string[] {
  return why(layers, path, mergeOptions()).steps.map(({ layer: at, action, by, record, hiddenBy }) =>
    [at, action, by, record.type, record.path, ...(hiddenBy === undefined ? [] : [`<${hiddenBy}`])].join(' '),
  );
}

test('added, changed, deleted', () => {
  const layers = [
    layer(file('x'), file('a/b')),
    layer(),
    layer(file('a/b')),
    layer(wh('a/b')),
    layer(file('a/b')),
  ];
  assert.deepEqual(steps('a/b', ...layers), [
    '0 added entry file a/b <2',
    '2 changed entry file a/b <3',
    '3 deleted whiteout whiteout a/b',
    '4 added entry file a/b',
  ]);
  assert.equal(why(layers, '/a/b', mergeOptions()).final?.type, 'file');
});

test('deleted by what happened to a directory above', () => {
  const below = layer(file('a/b/c'));
  assert.deepEqual(steps('a/b/c', below, layer(wh('a'))).slice(1), ['1 deleted whiteout whiteout a']);
  assert.deepEqual(steps('a/b/c', below, layer(opq('a'))).slice(1), ['1 deleted opaque opaque a']);
  assert.deepEqual(steps('a/b/c', below, layer(file('a'))).slice(1), ['1 deleted replaced file a']);
  assert.deepEqual(steps('a/b/c', below, layer(wh('a'), file('a/b/c'))).slice(1), [
    '1 changed entry file a/b/c',
  ]);
});

test('directories: implied, described, emptied', () => {
  assert.deepEqual(steps('a', layer(file('a/b')), layer(dir('a')), layer(file('a/c')), layer(opq('a'))), [
    '0 added implied file a/b',
    '1 metadata entry directory a',
    '3 emptied opaque opaque a',
  ]);
  assert.deepEqual(steps('', layer(dir(''))), ['0 metadata entry directory ']);
});

test('a path through symlinks is asked about where it leads', () => {
  const layers = [layer(symlink('bin', 'usr/bin'), file('usr/bin/sh')), layer(file('bin/sh'))];
  assert.deepEqual(steps('bin/sh', ...layers), [
    '0 added entry file usr/bin/sh <1',
    '1 changed entry file bin/sh',
  ]);
  assert.equal(why(layers, 'bin/sh', mergeOptions()).path, 'usr/bin/sh');
});

test('a hardlink to itself changes nothing; an unknown path has no steps', () => {
  assert.equal(steps('a', layer(file('a')), layer(link('a', 'a'))).length, 1);
  assert.deepEqual(steps('none', layer(file('a')), layer(wh('none'))), []);
});

test('hidden bytes: what no name in the result needs', () => {
  const layers = [
    layer(file('a', { size: 10 }), file('b', { size: 20 }), file('c', { size: 40 })),
    layer(
      wh('a'),
      link('b2', 'b'),
      file('b', { size: 5 }),
      file('d', { size: 7 }),
      opq('x'),
      file('d', { size: 1 }),
    ),
  ];
  assert.deepEqual(countHiddenBytes(layers, merge(layers, mergeOptions())), [
    { entries: 3, whiteouts: 0, opaques: 0, bytes: 70, hiddenBytes: 10 },
    { entries: 6, whiteouts: 1, opaques: 1, bytes: 13, hiddenBytes: 7 },
  ]);
});
