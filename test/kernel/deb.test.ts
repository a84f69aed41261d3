import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { readAr } from '../../src/kernel/ar.ts';
import { type DebControl, readDeb } from '../../src/kernel/deb.ts';
import { createScratch } from '../host/scratch.ts';
import { requires } from '../requirement.ts';
import { makeAr, makeDeb, makeTar, type NamedBytes } from './fixture.ts';

async function* cut(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function readMembers(bytes: Uint8Array, size = 100): Promise<[string, string][]> {
  const members: [string, string][] = [];
  for await (const member of readAr(cut(bytes, size))) {
    const parts: Buffer[] = [];
    for await (const part of member.body()) parts.push(Buffer.from(part));
    members.push([member.name, Buffer.concat(parts).toString()]);
    assert.equal(member.size, Buffer.concat(parts).length);
  }
  return members;
}

async function readFiles(bytes: Uint8Array) {
  let control: DebControl | undefined;
  const files: string[] = [];
  const onControl = (found: DebControl) => {
    control = found;
  };
  for await (const entry of readDeb(cut(bytes, 1000), onControl)) {
    let text = '';
    for await (const part of entry.body()) text += Buffer.from(part).toString();
    if (entry.type === 'file') files.push(`${entry.path} ${text}`);
  }
  return { control, files };
}

test('what ar archives', { skip: requires({ tools: ['ar'] }) }, async () => {
  using scratch = createScratch();
  const files = [
    ['a', ''],
    ['odd', 'x'],
    ['even.txt', 'yy'],
    ['fifteen-letters', 'z'.repeat(10_001)],
  ] as const;
  for (const [name, content] of files) writeFileSync(scratch.at(name), content);
  execFileSync('ar', ['rcD', 'archive', ...files.map(([name]) => name)], { cwd: scratch.path });
  const archive = readFileSync(scratch.at('archive'));
  for (const size of [1, 7, 1000, 100_000]) assert.deepEqual(await readMembers(archive, size), files);
  // Members that are not read, or not to their end, are passed over.
  const names: string[] = [];
  for await (const member of readAr(cut(archive, 11))) {
    names.push(member.name);
    if (names.length % 2 === 0) for await (const _ of member.body()) break;
  }
  assert.deepEqual(
    names,
    files.map(([name]) => name),
  );
});

test('what dpkg-deb packs', { skip: requires({ tools: ['dpkg-deb'] }) }, async () => {
  using scratch = createScratch();
  const tree = new Map([
    ['boot/one', Buffer.from('1')],
    ['lib/two', Buffer.from('2')],
  ]);
  for (const compression of ['none', 'gzip', 'xz', 'zstd']) {
    const deb = makeDeb(scratch.path, tree, { name: 'some-package', version: '1:2.3~4', compression });
    const { control, files } = await readFiles(readFileSync(deb));
    assert.deepEqual(control, { package: 'some-package', version: '1:2.3~4', architecture: 'amd64' });
    assert.deepEqual(files, ['./boot/one 1', './lib/two 2']);
  }
});

test('what is no package is said so', async () => {
  const version = ['debian-binary', Buffer.from('2.0\n')] as const;
  const text = Buffer.from('Package: x\nVersion: 1\nArchitecture: all\n');
  const control = (content: Uint8Array) =>
    ['control.tar.gz', gzipSync(makeTar([['./control', content]]))] as const;
  const data = ['data.tar', makeTar([['./a', Buffer.from('a')]])] as const;
  assert.deepEqual((await readFiles(makeAr([version, ['_more', text], control(text), data]))).files, [
    './a a',
  ]);
  const bad: readonly NamedBytes[] = [
    [],
    [version],
    [version, control(text)],
    [version, data],
    [control(text), data],
    [['debian-binary', Buffer.from('3.0\n')], control(text), data],
    [version, control(Buffer.from('Package: x\n')), data],
    [version, control(Buffer.from('Package: ../x\nVersion: 1\nArchitecture: all\n')), data],
    [version, ['control.tar.gz', gzipSync(makeTar([]))], data],
  ];
  for (const members of bad) {
    await assert.rejects(readFiles(makeAr(members)), { name: 'KernelError', code: 'corrupt' });
  }
  const good = makeAr([version, control(text), data]);
  for (const size of [0, 7, 8, 20, 70, good.length - 100]) {
    await assert.rejects(readFiles(good.subarray(0, size)), { code: 'corrupt' });
  }
  const noSize = Buffer.from(good);
  noSize.write('x', 8 + 48);
  await assert.rejects(readFiles(noSize), { code: 'corrupt', message: /no size/ });
});
