import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, lstatSync, openSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  canSyncFilesystem,
  hasLibc,
  makeNode,
  readClock,
  readModified,
  readXattrs,
  removeXattr,
  setModified,
  setXattr,
  splitDevice,
  syncFilesystem,
} from '../../src/host/index.ts';
import { renameNew } from '../../src/host/rename.ts';
import { createScratch, needsRoot } from './scratch.ts';

const skip = hasLibc() ? false : 'needs libc through koffi';
const host = new URL('../../src/host/index.ts', import.meta.url).href;

test('importing the host loads no native code', () => {
  const script = `
    import { createRequire } from 'node:module';
    const host = await import(${JSON.stringify(host)});
    const loaded = () => process.report.getReport().sharedObjects.some(path => path.includes('koffi'));
    const before = loaded();
    host.hasLibc();
    console.log(JSON.stringify([before, loaded(), host.hasLibc()]));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.deepEqual(JSON.parse(output), [false, hasLibc(), hasLibc()]);
});

test('the clock has microseconds', { skip }, () => {
  const before = Date.now();
  const readings = Array.from({ length: 50 }, readClock);
  const after = Date.now() + 1;
  for (const reading of readings) {
    assert.ok(reading >= before * 1000 && reading <= after * 1000, `${reading} of ${before} to ${after}`);
    assert.ok(Number.isInteger(reading));
  }
  assert.ok(readings.some(reading => reading % 1000 !== 0));
});

test('times are exact, on symlinks too, before 1970 and after 2038', { skip }, () => {
  using scratch = createScratch();
  writeFileSync(scratch.at('f'), '');
  symlinkSync('f', scratch.at('l'));
  for (const [seconds, nanoseconds] of [
    [0, 0],
    [-1, 999_999_999],
    [-2_147_483_647, 1],
    [2_147_483_648, 123_456_789],
    [1_700_000_000, 987_654_321],
  ] as const) {
    setModified(scratch.at('l'), { seconds, nanoseconds });
    assert.deepEqual(readModified(scratch.at('l')), { seconds, nanoseconds });
    assert.equal(
      lstatSync(scratch.at('l'), { bigint: true }).mtimeNs,
      BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds),
    );
    assert.notEqual(readModified(scratch.at('f')).seconds, seconds);
  }
  assert.throws(() => setModified(scratch.at('missing'), { seconds: 0, nanoseconds: 0 }), {
    code: 'ENOENT',
    syscall: 'utimensat',
  });
});

test('xattrs: bytes in, the same bytes out', { skip: skip || noXattrs() }, () => {
  using scratch = createScratch();
  const path = scratch.at('f');
  writeFileSync(path, '');
  const values = new Map<string, Uint8Array>([
    ['user.empty', Buffer.alloc(0)],
    ['user.\xff\xfe', Buffer.from([0, 255, 0])],
    ['user.large', Buffer.alloc(2000, 7)],
  ]);
  for (const [name, value] of values) setXattr(path, name, value);
  const found = readXattrs(path);
  for (const [name, value] of values) assert.deepEqual(found.get(name), Buffer.from(value), name);
  removeXattr(path, 'user.large');
  removeXattr(path, 'user.large');
  assert.equal(readXattrs(path).has('user.large'), false);
  assert.throws(() => setXattr(path, 'nonsense', Buffer.alloc(1)), { code: /^E(NOTSUP|OPNOTSUPP)$/ });
  assert.throws(() => setXattr(scratch.at('missing'), 'user.x', Buffer.alloc(1)), { code: 'ENOENT' });
});

test('xattrs of a symlink are its own', { skip: skip || noXattrs() || needsRoot }, () => {
  using scratch = createScratch();
  writeFileSync(scratch.at('f'), '');
  symlinkSync('f', scratch.at('l'));
  setXattr(scratch.at('l'), 'trusted.x', Buffer.from('l'));
  assert.deepEqual(
    [readXattrs(scratch.at('l')).has('trusted.x'), readXattrs(scratch.at('f')).has('trusted.x')],
    [true, false],
  );
});

test('device numbers are those that stat(1) tells', { skip: skip || needsRoot }, () => {
  using scratch = createScratch();
  for (const [major, minor] of [
    [1, 3],
    [0, 0],
    [255, 256],
    [4095, 1048575],
    [8, 65535],
  ] as const) {
    const path = scratch.at(`${major}-${minor}`);
    makeNode(path, 'block', major, minor);
    const [hexMajor, hexMinor] = execFileSync('stat', ['-c', '%t %T', path], { encoding: 'utf8' })
      .trim()
      .split(' ');
    assert.deepEqual([hexMajor, hexMinor], [major.toString(16), minor.toString(16)]);
    assert.deepEqual(splitDevice(lstatSync(path, { bigint: true }).rdev), { major, minor });
  }
});

test('fifos and sockets need no privilege', { skip }, () => {
  using scratch = createScratch();
  makeNode(scratch.at('fifo\xff'), 'fifo');
  makeNode(scratch.at('socket'), 'socket');
  assert.deepEqual(readdirSync(scratch.path, { encoding: 'latin1' }).sort(), ['fifo\xff', 'socket']);
  assert.ok(lstatSync(scratch.at('socket')).isSocket());
  assert.throws(() => makeNode(scratch.at('socket'), 'fifo'), { code: 'EEXIST' });
});

test('renameNew does not replace', { skip }, () => {
  using scratch = createScratch();
  writeFileSync(scratch.at('a'), 'a');
  writeFileSync(scratch.at('b'), 'b');
  assert.throws(() => renameNew(scratch.at('a'), scratch.at('b')), { code: 'EEXIST' });
  if (renameNew(scratch.at('a'), scratch.at('c')))
    assert.deepEqual(readdirSync(scratch.path).sort(), ['b', 'c']);
});

test('a whole filesystem is synced in one call', { skip: skip || !canSyncFilesystem() }, async () => {
  using scratch = createScratch();
  const fd = openSync(scratch.path, 'r');
  await syncFilesystem(fd);
  closeSync(fd);
  await assert.rejects(syncFilesystem(fd), { syscall: 'syncfs' });
});

function noXattrs(): string | false {
  using scratch = createScratch();
  writeFileSync(scratch.at('f'), '');
  try {
    setXattr(scratch.at('f'), 'user.x', Buffer.alloc(1));
    return false;
  } catch {
    return 'the temporary directory has no xattrs';
  }
}
