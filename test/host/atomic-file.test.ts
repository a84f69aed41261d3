import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { test } from 'node:test';
import { createAtomicFile, createTemporaryDirectory, removeUnfinished, umask } from '../../src/host/index.ts';
import { createScratch, needsLinux, needsRoot } from './scratch.ts';

const host = new URL('../../src/host/index.ts', import.meta.url).href;

test('a file is there after the commit, whole, and not before', async () => {
  using scratch = createScratch();
  {
    await using file = await createAtomicFile(scratch.at('out'));
    assert.equal(file.append(Buffer.from('hello ')), 0);
    assert.equal(file.append(Buffer.from('world')), 6);
    file.startWriteback();
    file.writeAt(Buffer.from('J'), 0);
    assert.equal(file.size, 11);
    writeSync(file.fd, '!', 11);
    file.startWriteback(12);
    const [name, ...others] = readdirSync(scratch.path);
    assert.match(name!, /^\.out\.shale-[a-z0-9]{6}\.tmp$/);
    assert.deepEqual(others, []);
    assert.equal(statSync(scratch.at(name!)).mode % 0o10000, 0o600);
    await file.commit();
    assert.equal(readFileSync(scratch.at('out'), 'utf8'), 'Jello world!');
  }
  assert.deepEqual(readdirSync(scratch.path), ['out']);
  assert.equal(statSync(scratch.at('out')).mode % 0o10000, 0o644 & ~umask());
});

test('the mode follows the umask', async () => {
  using scratch = createScratch();
  const before = process.umask(0o137);
  try {
    assert.equal(umask(), 0o137);
    await using file = await createAtomicFile(scratch.at('out'));
    await file.commit();
  } finally {
    process.umask(before);
  }
  assert.equal(statSync(scratch.at('out')).mode % 0o10000, 0o640);
});

test('a positioned write leaves zeros before it', async () => {
  using scratch = createScratch();
  await using file = await createAtomicFile(scratch.at('out'));
  file.writeAt(Buffer.from('x'), 5_000_000_000);
  assert.equal(file.size, 5_000_000_001);
  assert.equal(file.append(Buffer.from('y')), 5_000_000_001);
});

test('without a commit nothing is left', async () => {
  using scratch = createScratch();
  await assert.rejects(async () => {
    await using file = await createAtomicFile(scratch.at('out'));
    file.append(Buffer.alloc(100));
    throw new Error('stop');
  }, /stop/);
  assert.deepEqual(readdirSync(scratch.path), []);
});

test('a file that is there is replaced only if that was asked for', async () => {
  using scratch = createScratch();
  writeFileSync(scratch.at('out'), 'old');
  await assert.rejects(createAtomicFile(scratch.at('out')), { code: 'exists' });
  await using file = await createAtomicFile(scratch.at('out'), { exists: 'replace' });
  file.append(Buffer.from('new'));
  assert.equal(readFileSync(scratch.at('out'), 'utf8'), 'old');
  await file.commit();
  assert.equal(readFileSync(scratch.at('out'), 'utf8'), 'new');
});

test('a file that comes up meanwhile is not replaced', async () => {
  using scratch = createScratch();
  {
    await using file = await createAtomicFile(scratch.at('out'));
    writeFileSync(scratch.at('out'), 'precious');
    await assert.rejects(file.commit(), { code: 'exists' });
  }
  assert.deepEqual(readdirSync(scratch.path), ['out']);
  assert.equal(readFileSync(scratch.at('out'), 'utf8'), 'precious');
});

test('a symlink is replaced, not followed; what is no file is left alone', { skip: needsLinux }, async () => {
  using scratch = createScratch();
  writeFileSync(scratch.at('victim'), 'victim');
  symlinkSync('victim', scratch.at('link'));
  mkdirSync(scratch.at('directory'));
  execFileSync('mkfifo', [scratch.at('pipe')]);
  await using file = await createAtomicFile(scratch.at('link'), { exists: 'replace' });
  await file.commit();
  assert.ok(lstatSync(scratch.at('link')).isFile());
  assert.equal(readFileSync(scratch.at('victim'), 'utf8'), 'victim');
  for (const name of ['directory', 'pipe'])
    await assert.rejects(createAtomicFile(scratch.at(name), { exists: 'replace' }), { code: 'invalid' });
  await assert.rejects(createAtomicFile(scratch.at('missing/out')), { code: 'not-found' });
});

test('a name of 255 bytes has a temporary name too', async () => {
  using scratch = createScratch();
  for (const name of ['n'.repeat(255), 'ü'.repeat(127)]) {
    await using file = await createAtomicFile(scratch.at(name));
    await file.commit();
    assert.ok(existsSync(scratch.at(name)));
  }
});

test('a full disk is `exhausted`', { skip: needsRoot || needsLinux }, async () => {
  using scratch = createScratch();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'shale-test', scratch.path]);
  try {
    await using file = await createAtomicFile(scratch.at('out'));
    assert.throws(() => file.append(Buffer.alloc(1024 * 1024)), { code: 'exhausted' });
  } finally {
    execFileSync('umount', [scratch.path]);
  }
});

test('Ctrl-C leaves nothing behind', { skip: needsLinux }, async () => {
  using scratch = createScratch();
  const script = `
    import { writeFileSync, mkdirSync, chmodSync } from 'node:fs';
    import { createAtomicFile, createTemporaryDirectory, removeUnfinished } from ${JSON.stringify(host)};
    process.on('SIGINT', () => { removeUnfinished(); process.exit(130); });
    const [path] = process.argv.slice(1);
    const done = await createAtomicFile(path + '/done');
    await done.commit();
    (await createAtomicFile(path + '/out')).append(Buffer.alloc(10));
    const { path: directory } = createTemporaryDirectory(path + '/directory');
    mkdirSync(directory + '/a/b', { recursive: true });
    writeFileSync(directory + '/a/b/c', '');
    chmodSync(directory + '/a/b', 0);
    console.log('ready');
    setTimeout(() => {}, 60000);`;
  const running = spawn(process.execPath, ['--input-type=module', '-e', script, scratch.path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(running, 'exit');
  await once(running.stdout, 'data');
  assert.equal(readdirSync(scratch.path).length, 3);
  running.kill('SIGINT');
  assert.deepEqual(await exit, [130, null]);
  assert.deepEqual(readdirSync(scratch.path), ['done']);
});

test('a temporary directory is private, goes with what is in it, and stays if kept', () => {
  using scratch = createScratch();
  let kept: string;
  {
    using gone = createTemporaryDirectory(scratch.at('out'));
    using stays = createTemporaryDirectory(scratch.at('out'));
    assert.match(gone.path, /\/\.out\.shale-[a-z0-9]{6}$/);
    assert.equal(statSync(gone.path).mode % 0o10000, 0o700);
    mkdirSync(`${gone.path}/a`);
    writeFileSync(`${gone.path}/a/f`, '');
    symlinkSync(scratch.path, `${gone.path}/a/up`);
    linkSync(`${gone.path}/a/f`, `${stays.path}/f`);
    chmodSync(`${gone.path}/a`, 0);
    kept = stays.path;
    stays.keep();
  }
  removeUnfinished();
  assert.deepEqual(readdirSync(scratch.path), [kept.slice(scratch.path.length + 1)]);
  assert.deepEqual(readdirSync(kept), ['f']);
});
