import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { test } from 'node:test';
import { findBoot, findDataRoot, hasLibc, isLocked, replaceFile, tryLock } from '../../src/host/index.ts';
import { createScratch } from './scratch.ts';

const skip = hasLibc() ? false : 'needs libc through koffi';

test('an exclusive lock is held by one, in one process too', { skip }, () => {
  using scratch = createScratch();
  const path = scratch.at('lock');
  const first = tryLock(path)!;
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(tryLock(path), undefined);
  assert.equal(tryLock(path, 'shared'), undefined);
  assert.equal(isLocked(path), true);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.equal(isLocked(path), false);
  using again = tryLock(path);
  assert.ok(again);
});

test('shared locks go together, and keep an exclusive one out', { skip }, () => {
  using scratch = createScratch();
  using one = tryLock(scratch.at('lock'), 'shared');
  using other = tryLock(scratch.at('lock'), 'shared');
  assert.ok(one && other);
  assert.equal(tryLock(scratch.at('lock')), undefined);
});

test('a lock is on the file that the path names now', { skip }, () => {
  using scratch = createScratch();
  const path = scratch.at('lock');
  using old = tryLock(path)!;
  renameSync(path, scratch.at('elsewhere'));
  {
    using fresh = tryLock(path)!;
    assert.equal(fresh.path, path);
    assert.equal(tryLock(path), undefined);
  }
  unlinkSync(path);
  assert.equal(isLocked(path), false);
  assert.equal(existsSync(path), false, 'looking creates nothing');
  old.remove(); // somebody else removed it already
});

test('the end of a process, however it comes, gives its locks up', { skip }, async () => {
  using scratch = createScratch();
  const host = new URL('../../src/host/index.ts', import.meta.url).href;
  const code = `
    const { tryLock } = await import(${JSON.stringify(host)});
    globalThis.held = tryLock(${JSON.stringify(scratch.at('lock'))});
    console.log('held');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code]);
  await once(child.stdout, 'data');
  assert.equal(isLocked(scratch.at('lock')), true);
  child.kill('SIGKILL');
  await once(child, 'close');
  assert.equal(isLocked(scratch.at('lock')), false);
});

test('the root of the cache', () => {
  const variables = ['SHALE_ROOT', 'XDG_DATA_HOME', 'HOME'];
  const before = variables.map(name => [name, process.env[name]] as const);
  const set = (values: Record<string, string>) => {
    for (const name of variables) delete process.env[name];
    Object.assign(process.env, values);
  };
  try {
    set({ SHALE_ROOT: '/srv/cache', XDG_DATA_HOME: '/x', HOME: '/home/me' });
    assert.equal(findDataRoot(), '/srv/cache');
    if (process.geteuid?.() === 0) {
      set({ XDG_DATA_HOME: '/x', HOME: '/root' });
      assert.equal(findDataRoot(), '/var/lib/shale');
      process.seteuid!(65534);
    }
    set({ XDG_DATA_HOME: '/x', HOME: '/home/me' });
    assert.equal(findDataRoot(), '/x/shale');
    set({ XDG_DATA_HOME: 'relative', HOME: '/home/me' });
    assert.equal(findDataRoot(), '/home/me/.local/share/shale');
    set({ SHALE_ROOT: '', HOME: '/home/me' });
    assert.equal(findDataRoot(), '/home/me/.local/share/shale');
  } finally {
    if (process.getuid?.() === 0) process.seteuid!(0);
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
});

test('a file is replaced whole, and only its owner may read it', () => {
  using scratch = createScratch();
  replaceFile(scratch.at('f'), Buffer.from('one'));
  replaceFile(scratch.at('f'), Buffer.from('two'));
  assert.equal(statSync(scratch.at('f')).mode & 0o777, 0o600);
  assert.throws(() => replaceFile(scratch.at('missing/f'), Buffer.from('x')), { code: 'ENOENT' });
});

test('the boot is the same as long as the machine runs', { skip: process.platform !== 'linux' }, () => {
  assert.match(findBoot()!, /^[0-9a-f-]{36}$/);
  assert.equal(findBoot(), findBoot());
});
