import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chownSync,
  lchownSync,
  mkdirSync,
  readFileSync,
  statfsSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'node:test';
import { hasLibc } from '../../src/host/index.ts';
import { measureFile, type Sealed, sealFile, unsealFile } from '../../src/verity/index.ts';
import { createScratch } from '../host/scratch.ts';
import { requires } from '../requirement.ts';

const skip = hasLibc() ? requires({ root: true }) : 'needs libc through koffi';

/** What was not done has a reason that a person can read. */
function checkReasons({ fsverity, immutable }: Sealed): void {
  for (const outcome of [fsverity, immutable])
    if (!outcome.done) assert.match(outcome.reason, /^[a-z].{10,}[^.]$/);
}

test('an immutable file is neither changed nor removed, before it is unsealed', { skip }, async t => {
  using scratch = createScratch();
  const path = scratch.at('file');
  writeFileSync(path, 'as it is');
  const sealed = await sealFile(path);
  checkReasons(sealed);
  t.diagnostic(JSON.stringify(sealed));
  if (!sealed.immutable.done) {
    unlinkSync(path);
    return t.skip(sealed.immutable.reason);
  }
  try {
    assert.throws(() => writeFileSync(path, 'changed'), { code: 'EPERM' });
    assert.throws(() => unlinkSync(path), { code: 'EPERM' });
    assert.deepEqual((await sealFile(path)).immutable, { done: true }, 'once more');
    assert.equal(readFileSync(path, 'latin1'), 'as it is');
  } finally {
    assert.deepEqual(unsealFile(path), { done: true });
  }
  assert.deepEqual(unsealFile(path), { done: true }, 'once more');
  unlinkSync(path);
});

test('a filesystem that has neither says so', { skip: skip || requires({ mounts: ['ramfs'] }) }, async () => {
  using scratch = createScratch();
  const directory = scratch.at('ramfs');
  mkdirSync(directory);
  execFileSync('mount', ['-t', 'ramfs', 'none', directory]);
  try {
    const path = `${directory}/file`;
    writeFileSync(path, 'x');
    const { fsverity } = await sealFile(path, { expected: (await measureFile(path)).fsverity });
    assert.equal(fsverity.done, false);
    assert.match((fsverity as { reason: string }).reason, /no fs-verity \(ramfs/);
    assert.deepEqual(unsealFile(path), { done: true });
  } finally {
    execFileSync('umount', [directory]);
  }
});

test('without the privilege', { skip }, async t => {
  using scratch = createScratch();
  const path = scratch.at('file');
  writeFileSync(path, 'x');
  chownSync(path, 65_534, 65_534);
  lchownSync(scratch.path, 65_534, 65_534);
  process.seteuid!(65_534);
  let sealed: Sealed;
  try {
    sealed = await sealFile(path);
  } finally {
    process.seteuid!(0);
  }
  checkReasons(sealed);
  if (statfsSync(path).type !== 0xef53) return t.skip('not on ext4');
  assert.deepEqual(sealed.immutable, { done: false, reason: 'needs CAP_LINUX_IMMUTABLE' });
});

test('what cannot be sealed at all', { skip }, async () => {
  using scratch = createScratch();
  const path = scratch.at('file');
  await assert.rejects(sealFile(path), { code: 'not-found' });
  assert.throws(() => unsealFile(path), { code: 'not-found' });
  writeFileSync(path, 'x');
  await assert.rejects(sealFile(path, { expected: 'abc' }), { name: 'VerityError', code: 'invalid' });
  await assert.rejects(sealFile(path, { signal: AbortSignal.abort() }), { code: 'cancelled' });
});
