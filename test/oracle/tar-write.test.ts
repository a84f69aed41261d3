/** What we write, as GNU tar and bsdtar extract it and as Python reads it: the same entries, bytes and times. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { endOfArchive, formatHeader, padding, type TarEntry } from '../../src/tar/index.ts';
import { requires } from '../requirement.ts';

interface Sample {
  readonly entry: TarEntry;
  readonly data: Buffer;
}

const whole = { seconds: 1_600_000_000, nanoseconds: 0 };
const samples: Sample[] = [];

function add(entry: Partial<TarEntry> & { path: string }, data: string | Buffer = ''): void {
  const bytes = Buffer.from(data as string, 'latin1');
  samples.push({
    entry: {
      type: 'file',
      linkpath: '',
      size: bytes.length,
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtime: whole,
      major: 0,
      minor: 0,
      xattrs: new Map(),
      ...entry,
    },
    data: bytes,
  });
}

const utf8 = (text: string) => Buffer.from(text).toString('latin1');
add({ path: 'd/', type: 'directory', mode: 0o1777, mtime: { seconds: 5, nanoseconds: 0 } });
add({ path: 'd/small', mode: 0o4755, uid: 1000, gid: 2000 }, 'hello\n');
add({ path: 'd/block' }, 'x'.repeat(512));
add({ path: 'd/large' }, Buffer.from(Array.from({ length: 100_001 }, (_, at) => (at * 7) % 256)));
add({ path: 'd/nanoseconds', mtime: { seconds: 1_234_567_890, nanoseconds: 123_456_789 } }, 'a');
add({ path: 'd/before-the-epoch', mtime: { seconds: -86_400, nanoseconds: 0 } }, 'b');
add({ path: 'd/after-the-epoch', mtime: { seconds: 0, nanoseconds: 1 } }, 'b');
add({ path: 'd/ids', uid: 4_294_967_294, gid: 3_000_000 }, 'c');
add({ path: `${'p'.repeat(100)}/${'q'.repeat(50)}/${'n'.repeat(100)}` }, 'split');
add({ path: `${'p'.repeat(150)}/${'n'.repeat(150)}` }, 'pax');
add({ path: `long/${'d'.repeat(200)}/`, type: 'directory' });
add({ path: utf8('d/bücher 日本') }, 'utf8');
add({ path: `d/${utf8('ü').repeat(100)}` }, 'long utf8');
add({ path: 'd/\xff\x01 bytes' }, 'bytes');
add({ path: `d/${'\xfe'.repeat(200)}` }, 'long bytes');
add({ path: 'd/newline\nname=x' }, 'n');
add({ path: 'd/symlink', type: 'symlink', mode: 0o777, linkpath: '../\xff/nowhere' });
add({ path: 'd/longlink', type: 'symlink', mode: 0o777, linkpath: `${'t/'.repeat(90)}end` });
add({ path: 'd/hardlink', type: 'hardlink', linkpath: 'd/small' });
add({ path: 'd/longhardlink', type: 'hardlink', linkpath: `${'p'.repeat(150)}/${'n'.repeat(150)}` });
add({ path: 'd/fifo', type: 'fifo' });
add({ path: 'd/null', type: 'character', major: 1, minor: 3 });
add({ path: 'd/disk', type: 'block', major: 4095, minor: 1_048_575 });
add({ path: 'd/empty' });

/** bsdtar 3.6 counts the fraction of a negative time upwards (-1.25 becomes -0.75), so it is not asked. */
const negative: Sample = {
  ...samples[5]!,
  entry: { ...samples[5]!.entry, path: 'd/fraction', mtime: { seconds: -2, nanoseconds: 750_000_000 } },
};

const xattrs = new Map([
  ['user.text', Buffer.from('value')],
  ['user.bytes', Buffer.from([0, 10, 0x3d, 0xff])],
]);

function write(entries: readonly Sample[]): Buffer {
  const parts = entries.flatMap(({ entry, data }) => [formatHeader(entry), data, padding(entry.size)]);
  return Buffer.concat([...parts, endOfArchive]);
}

describe('extracted', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'shale-tar-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  for (const [tool, command, entries] of [
    // It warns of any time before the epoch, and of hdrcharset, which it has no need of: its paths are bytes.
    [
      'GNU tar',
      'tar --warning=no-timestamp --warning=no-unknown-keyword --delay-directory-restore -xpf archive.tar -C',
      [...samples, negative],
    ],
    ['bsdtar', 'bsdtar -xpf archive.tar --no-xattrs -C', samples],
  ] as const) {
    const tools = [command.split(' ')[0]!];
    test(tool, { skip: requires({ tools, root: true }) }, () => {
      const target = join(directory, tools[0]!);
      mkdirSync(target);
      writeFileSync(join(directory, 'archive.tar'), write(entries));
      assert.equal(run(directory, `${command} ${target} 2>&1`), '', 'no complaint');
      for (const { entry, data } of entries) compare(target, entry, data);
    });
  }

  for (const [tool, command] of [
    ['GNU tar', "tar --xattrs --xattrs-include='user.*' -xpf"],
    ['bsdtar', 'bsdtar --xattrs -xpf'],
  ] as const) {
    const skip = requires({ tools: [command.split(' ')[0]!, 'getfattr', 'setfattr'], root: true });
    test(`xattrs, ${tool}`, { skip }, t => {
      const target = join(directory, `xattrs-${tool.replace(' ', '-')}`);
      mkdirSync(target);
      try {
        run(target, ': > probe && setfattr -n user.probe -v x probe');
      } catch {
        t.skip('no user xattrs on this filesystem');
        return;
      }
      const entry = { ...samples[1]!.entry, path: 'file', xattrs };
      writeFileSync(join(target, 'archive'), write([{ ...samples[1]!, entry }]));
      assert.equal(run(target, `${command} archive 2>&1`), '');
      const listed = run(target, 'getfattr -d -m "^user" -e hex file');
      const expected = [...xattrs].map(([name, value]) => `${name}=0x${value.toString('hex')}`).sort();
      assert.deepEqual(
        listed
          .split('\n')
          .filter(line => line.includes('=0x'))
          .sort(),
        expected,
      );
    });
  }
});

test('listed: sizes over 8 GiB', { skip: requires({ tools: ['tar', 'bsdtar'] }) }, () => {
  const size = 8 ** 11 + 5;
  const input = formatHeader({ ...samples[1]!.entry, size });
  for (const tool of ['tar', 'bsdtar']) {
    // The data is not there: the list comes first, the complaint about that after it.
    const listed = execFileSync('sh', ['-c', `${tool} -tvf - 2>/dev/null || true`], {
      input,
      encoding: 'utf8',
    });
    assert.match(listed, new RegExp(`\\b${size}\\b`), tool);
  }
});

test('Python reads the same', { skip: requires({ tools: ['python3'] }) }, () => {
  const entries = [
    ...samples,
    negative,
    { ...samples[2]!, entry: { ...samples[2]!.entry, path: 'x', xattrs } },
  ];
  const script = `
import tarfile, sys, json, hashlib, io
raw = lambda text: text.encode('utf-8', 'surrogateescape').decode('latin-1')
out = []
with tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read()), mode='r:', encoding='utf-8', errors='surrogateescape') as tar:
    for m in tar:
        data = tar.extractfile(m).read() if m.isreg() else b''
        out.append([m.type.decode(), raw(m.name), raw(m.linkname), m.size, m.mode, m.uid, m.gid, float(m.mtime),
            m.devmajor, m.devminor, hashlib.sha256(data).hexdigest(),
            {k[13:]: raw(v) for k, v in m.pax_headers.items() if k.startswith('SCHILY.xattr.')}])
print(json.dumps(out))`;
  const output = execFileSync('python3', ['-c', script], { input: write(entries), encoding: 'utf8' });
  const flags = {
    file: '0',
    hardlink: '1',
    symlink: '2',
    character: '3',
    block: '4',
    directory: '5',
    fifo: '6',
  };
  const expected = entries.map(({ entry, data }) => [
    flags[entry.type],
    entry.path.replace(/\/$/, ''),
    entry.linkpath,
    entry.size,
    entry.mode,
    entry.uid,
    entry.gid,
    entry.mtime.seconds + entry.mtime.nanoseconds / 1e9,
    entry.major,
    entry.minor,
    createHash('sha256').update(data).digest('hex'),
    Object.fromEntries(
      [...entry.xattrs].map(([name, value]) => [name, Buffer.from(value).toString('latin1')]),
    ),
  ]);
  assert.deepEqual(JSON.parse(output), expected);
});

function compare(target: string, entry: TarEntry, data: Buffer): void {
  const file = Buffer.from(join(target, entry.path).replace(/\/$/, ''), 'latin1');
  const { path, type } = entry;
  const stat = lstatSync(file, { bigint: true });
  if (type === 'hardlink') {
    assert.equal(stat.ino, lstatSync(join(target, entry.linkpath), { bigint: true }).ino, path);
    return;
  }
  const kind = Number(stat.mode / 4096n);
  assert.equal(kind, { file: 8, symlink: 10, directory: 4, fifo: 1, character: 2, block: 6 }[type], path);
  assert.deepEqual([Number(stat.uid), Number(stat.gid)], [entry.uid, entry.gid], path);
  const mtime = BigInt(entry.mtime.seconds) * 1_000_000_000n + BigInt(entry.mtime.nanoseconds);
  assert.equal(stat.mtimeNs, mtime, path);
  if (type !== 'symlink') assert.equal(Number(stat.mode % 4096n), entry.mode, path);
  else assert.equal(readlinkSync(file, 'latin1'), entry.linkpath, path);
  if (type === 'file') assert.deepEqual(readFileSync(file), data, path);
  if (type === 'character' || type === 'block') assert.equal(stat.rdev, deviceNumber(entry), path);
}

/** The kernel's dev_t in user space: the minor's upper bits stand above the major. */
function deviceNumber({ major, minor }: TarEntry): bigint {
  const low = BigInt(minor % 256);
  const high = BigInt(Math.floor(minor / 256));
  return high * 0x100000n + BigInt(major) * 256n + low;
}

function run(directory: string, script: string): string {
  const env = { ...process.env, LC_ALL: 'C.UTF-8', TZ: 'UTC' };
  return execFileSync('sh', ['-ec', script], {
    cwd: directory,
    encoding: 'latin1',
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
