import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LayerEntry } from '../../src/layer/index.ts';
import { isSelfContained } from '../../src/layer/self-contained.ts';
import { noXattrs } from '../../src/tree/index.ts';

const metadata = { mode: 0o755, uid: 0, gid: 0, mtime: { seconds: 0, nanoseconds: 0 }, xattrs: noXattrs };

/** `a/` a directory, `a` a fifo, `a=b` a hardlink, `-a` a whiteout, `!a` an opaque marker, `.` the root. */
function entry(text: string): LayerEntry {
  if (text.startsWith('-')) return { type: 'whiteout', path: text.slice(1) };
  if (text.startsWith('!')) return { type: 'opaque', path: text.slice(1) };
  const [path, target] = text.split('=');
  if (target !== undefined) return { type: 'hardlink', path: path!, target };
  if (text === '.') return { type: 'directory', path: '', ...metadata };
  if (text.endsWith('/')) return { type: 'directory', path: text.slice(0, -1), ...metadata };
  return { type: 'fifo', path: text, ...metadata };
}

for (const [layer, expected] of [
  ['', true],
  ['. a/ a/b a/c=a/b -a/d !a b', true],
  ['-a b', true],
  ['a/b', false],
  ['a/b a/', false],
  ['-a/b', false],
  ['!a', false],
  ['!', false],
  ['a a', false],
  ['a/ a/', false],
  ['. .', false],
  ['a a/b', false],
  ['a=b', false],
  ['a=b b', false],
  ['b/ a=b', false],
  ['b a=b c=a', true],
  ['-a a', false],
  ['a/ -a', false],
] as const) {
  test(`${layer || 'nothing'}: ${expected}`, () => {
    const entries = layer === '' ? [] : layer.split(' ').map(entry);
    assert.equal(isSelfContained(entries), expected);
  });
}
