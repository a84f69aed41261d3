import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import {
  compressInitramfs,
  type InitramfsEntry,
  padInitramfs,
  writeInitramfs,
} from '../../src/initramfs/index.ts';
import { createScratch } from '../host/scratch.ts';
import { requires } from '../requirement.ts';

const cpio = requires({ tools: ['cpio'] });
const content = Buffer.from('#!/bin/sh\necho hello\n');

const entries: readonly InitramfsEntry[] = [
  { path: 'dev', mode: 0o40755 },
  { path: 'dev/console', mode: 0o20600, device: { major: 5, minor: 1 } },
  { path: 'dev/loop', mode: 0o60660, device: { major: 7, minor: 300 } },
  { path: 'init', mode: 0o100755, content },
  { path: 'empty', mode: 0o100600 },
  { path: 'm', mode: 0o41777 },
  { path: 'm/a', mode: 0o100644, content: Buffer.alloc(5, 1) },
  { path: 'm/ab', mode: 0o100644, content: Buffer.alloc(6, 2) },
  { path: 'm/abc', mode: 0o100644, content: Buffer.alloc(7, 3) },
  { path: 'm/abcd', mode: 0o100644, content: Buffer.alloc(100_000, 4) },
  { path: 'm/link', mode: 0o120777, content: Buffer.from('../init') },
  { path: 'm/caf\xc3\xa9', mode: 0o100644, content: Buffer.from('x') },
];

test('cpio lists what was written, in its order', { skip: cpio }, () => {
  const listed = execFileSync('cpio', ['-it', '--quiet'], { input: writeInitramfs(entries), stdio: 'pipe' });
  assert.deepEqual(
    listed.toString('latin1').trim().split('\n').map(unquote),
    entries.map(({ path }) => path),
  );
});

/** cpio shows bytes beyond ASCII as `\303` in some locales. */
function unquote(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

test('cpio extracts what was written', { skip: cpio || requires({ root: true }) }, () => {
  using scratch = createScratch();
  mkdirSync(scratch.at('root'));
  const options = { input: writeInitramfs(entries), cwd: scratch.at('root'), stdio: 'pipe' as const };
  execFileSync('cpio', ['-i', '--quiet', '--preserve-modification-time'], options);
  for (const { path, mode, content = Buffer.alloc(0), device } of entries) {
    const place = Buffer.from(`${scratch.at('root')}/${path}`, 'latin1');
    const stats = lstatSync(place);
    const type = mode & 0o170000;
    if (type !== 0o120000) assert.equal(stats.mode, mode, path);
    assert.equal(`${stats.uid}:${stats.gid}`, '0:0');
    if (type !== 0o120000 && type !== 0o040000) assert.equal(stats.mtimeMs, 0, path);
    if (type === 0o100000) assert.deepEqual(readFileSync(place), Buffer.from(content), path);
    if (type === 0o120000) assert.equal(readlinkSync(place), content.toString());
    if (device === undefined) continue;
    const shown = execFileSync('stat', ['-c', '%t:%T', place.toString('utf8')])
      .toString()
      .trim();
    assert.equal(shown, `${device.major.toString(16)}:${device.minor.toString(16)}`);
  }
});

test('the same entries are the same bytes, four more than whole pages', () => {
  assert.deepEqual(writeInitramfs(entries), writeInitramfs(entries));
  for (const size of [0, 1, 3000, 4090, 4096, 8000]) {
    const archive = writeInitramfs([{ path: 'x', mode: 0o100644, content: Buffer.alloc(size) }]);
    assert.equal(archive.length % 4096, 4);
  }
  assert.equal(padInitramfs(Buffer.alloc(4100)).length, 4100);
  assert.equal(padInitramfs(Buffer.alloc(4101)).length, 8196);
});

const judges = { lz4: ['lz4'], gzip: ['gzip'], zstd: ['zstd'] } as const;
for (const [how, [program]] of Object.entries(judges)) {
  test(`${program} decompresses what was compressed`, { skip: requires({ tools: [program] }) }, () => {
    const archive = writeInitramfs(entries);
    const compressed = compressInitramfs(archive, how as keyof typeof judges);
    assert.ok(compressed.length < archive.length / 10);
    const back = execFileSync(program, ['-d', '-c'], { input: compressed, maxBuffer: 2 ** 24 });
    assert.ok(back.equals(archive));
  });
}

test('what Linux would not unpack as it is meant is refused', () => {
  const file = { mode: 0o100644, content };
  const bad: readonly (readonly InitramfsEntry[])[] = [
    [{ path: '/init', ...file }],
    [{ path: '', ...file }],
    [{ path: 'a/../b', ...file }],
    [{ path: 'a\0b', ...file }],
    [{ path: 'TRAILER!!!', ...file }],
    [{ path: 'a'.repeat(4096), ...file }],
    [{ path: 'm/a', ...file }],
    [
      { path: 'm', ...file },
      { path: 'm/a', ...file },
    ],
    [
      { path: 'a', ...file },
      { path: 'a', ...file },
    ],
    [{ path: 'a', mode: 0o644 }],
    [{ path: 'a', mode: 0o020600 }],
    [{ path: 'a', mode: 0o100600, device: { major: 1, minor: 1 } }],
    [{ path: 'a', mode: 0o040755, content }],
    [{ path: 'a', mode: 0o120777 }],
  ];
  for (const entries of bad) {
    assert.throws(() => writeInitramfs(entries), { name: 'InitramfsError', code: 'invalid' });
  }
});
