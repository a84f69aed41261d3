/** Archives of GNU tar and bsdtar, of a tree on disk: what we read is what the kernel says of the tree. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  type BigIntStats,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type TarEntry, TarParser } from '../../src/tar/index.ts';
import { requires } from '../requirement.ts';
import { content, type Listed, parseAll } from '../tar/archive.ts';

const second = 1_000_000_000n;

const plainTree = `
mkdir -p tree/dir/sub tree/empty
printf hello > tree/dir/small; chmod 4755 tree/dir/small; touch -d @1234567890.123456789 tree/dir/small
head -c 512 /dev/urandom > tree/dir/block; head -c 5000 /dev/urandom > tree/dir/sub/more
: > tree/dir/nothing; chmod 0 tree/dir/nothing
ln -s ../dir/small tree/dir/symlink; ln -s /nowhere tree/dangling
ln tree/dir/small tree/dir/sub/hardlink; mkfifo tree/fifo
printf x > "$(printf 'tree/b\\303\\274cher \\377\\001')"
mkdir -p tree/${'p'.repeat(80)}/${'q'.repeat(40)}; printf y > tree/${'p'.repeat(80)}/${'q'.repeat(40)}/${'r'.repeat(70)}
chmod 1777 tree/empty; touch -d @1.999999999 tree/empty
if [ "$(id -u)" = 0 ]; then mknod tree/null c 1 3; mknod tree/disk b 8 255; chown 1000:2000 tree/dir/block; fi
`;

/** What neither V7 nor ustar can hold. */
const fancyTree = `
printf long > tree/${'l'.repeat(200)}; mkdir -p tree/${'m'.repeat(150)}/${'n'.repeat(150)}
ln -s ${'t'.repeat(180)} tree/longlink; ln tree/${'l'.repeat(200)} tree/hardlink-to-long
printf old > tree/old; touch -d @-5.25 tree/old; touch -d @-86400 tree/empty
if [ "$(id -u)" = 0 ]; then chown 4294967294:3000000 tree/old; fi
`;

const gnu = 'tar --sort=name -cf out.tar';
const formats: readonly {
  name: string;
  command: string;
  tools: readonly string[];
  /** Nanoseconds and what else pax brings. */
  exact?: boolean;
  plain?: boolean;
  /** What the tool makes of a time in nanoseconds before it writes it. */
  spoil?: (time: bigint) => bigint;
}[] = [
  {
    name: 'GNU tar, v7',
    command: `${gnu} --format=v7 --exclude='tree/p*' --exclude=tree/null --exclude=tree/disk --exclude=tree/fifo tree`,
    tools: ['tar'],
    plain: true,
  },
  { name: 'GNU tar, ustar', command: `${gnu} --format=ustar tree`, tools: ['tar'], plain: true },
  { name: 'GNU tar, gnu', command: `${gnu} --format=gnu tree`, tools: ['tar'] },
  { name: 'GNU tar, oldgnu', command: `${gnu} --format=oldgnu tree`, tools: ['tar'] },
  { name: 'GNU tar, pax', command: `${gnu} --format=pax tree`, tools: ['tar'], exact: true },
  {
    name: 'bsdtar, ustar',
    command: 'bsdtar -cf out.tar --format=ustar tree',
    tools: ['bsdtar'],
    plain: true,
  },
  {
    name: 'bsdtar, gnutar',
    spoil: time => (time < 0n ? 0n : time),
    command: 'bsdtar -cf out.tar --format=gnutar tree',
    tools: ['bsdtar'],
  },
  {
    name: 'bsdtar, pax',
    // libarchive writes the floor and the nanoseconds after it, so -5.25 s goes out as `-6.75`.
    spoil: time => (time < 0n ? time - modulo(time) - modulo(time) : time),
    command: 'bsdtar -cf out.tar --format=pax tree',
    tools: ['bsdtar'],
    exact: true,
  },
];

describe('a tree in every format', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'shale-tar-'));
    run(directory, plainTree);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  // The plain formats first: then the tree grows by what they cannot hold.
  const sorted = [...formats].sort((a, b) => Number(b.plain ?? false) - Number(a.plain ?? false));
  let grown = false;
  for (const {
    name,
    command,
    tools,
    exact = false,
    plain = false,
    spoil = (time: bigint) => time,
  } of sorted) {
    test(name, { skip: requires({ tools }) }, () => {
      if (!plain && !grown) {
        run(directory, fancyTree);
        grown = true;
      }
      run(directory, command);
      const { entries, terminated } = parseAll(readFileSync(join(directory, 'out.tar')));
      assert.ok(terminated);
      const expected = new Map(walk(directory, 'tree').map(path => [path, path]));
      const links = new Map<bigint, string>();
      for (const read of entries) {
        const path = read.entry.path.replace(/\/$/, '');
        compare(directory, path, read, links, time => spoil(exact ? time : time - modulo(time)));
        assert.ok(expected.delete(path), `${path} twice, or never there`);
      }
      const left = [...expected.keys()].filter(
        path => !(name.endsWith('v7') && /^tree\/(p+|null|disk|fifo)/.test(path)),
      );
      assert.deepEqual(left, []);
    });
  }
});

describe('xattrs', () => {
  for (const [name, tools, command] of [
    ['GNU tar', ['tar', 'setfattr'], "tar -cf out.tar --format=pax --xattrs --xattrs-include='user.*' file"],
    ['bsdtar', ['bsdtar', 'setfattr'], 'bsdtar -cf out.tar --format=pax --xattrs file'],
  ] as const) {
    test(name, { skip: requires({ tools }) || !xattrsWork() }, () => {
      within(directory => {
        run(
          directory,
          ': > file; setfattr -n user.text -v value file; setfattr -n user.bytes -v 0x000a3dff file',
        );
        run(directory, `setfattr -n user.50% -v '' file; ${command}`);
        const { entries } = parseAll(readFileSync(join(directory, 'out.tar')));
        // GNU tar escapes '%' in names, which star, whose records they are, does not.
        const xattrs = new Map(
          [...entries[0]!.entry.xattrs].map(([key, value]) => [key.replace('%25', '%'), [...value]]),
        );
        xattrs.delete('security.selinux');
        const expected = {
          'user.text': [...Buffer.from('value')],
          'user.bytes': [0, 10, 0x3d, 0xff],
          'user.50%': [],
        };
        assert.deepEqual(Object.fromEntries(xattrs), expected);
      });
    });
  }
});

describe('sparse files', { skip: requires({ tools: ['tar'] }) }, () => {
  // Seven segments need an extension block in old GNU's form; the size needs more than octal's 8 GiB.
  const segments = [0, 1_000_000, 5_000_000, 70_000_000, 900_000_000, 5_000_000_000, 9_000_000_000];
  const size = 9_663_676_416;
  for (const [name, options] of [
    ['old GNU', '--format=gnu'],
    ['pax 0.0', '--format=pax --sparse-version=0.0'],
    ['pax 0.1', '--format=pax --sparse-version=0.1'],
    ['pax 1.0', '--format=pax --sparse-version=1.0'],
  ] as const) {
    test(name, () => {
      within(directory => {
        const long = `${'long'.repeat(40)}`;
        const writes = segments.map(
          at => `printf 'data at ${at}' | dd of=sparse bs=1 seek=${at} conv=notrunc status=none`,
        );
        run(
          directory,
          `truncate -s ${size} sparse; ${writes.join('; ')}; truncate -s 5000000 hollow; printf end > ${long}`,
        );
        run(directory, `truncate -s 70000 ${long}; truncate -s 200000 many`);
        run(
          directory,
          'for i in $(seq 0 2 48); do printf x | dd of=many bs=1 seek=$((i*4096)) conv=notrunc status=none; done',
        );
        run(directory, `tar -S ${options} -cf out.tar sparse hollow ${long} many`);
        const archived = readFileSync(join(directory, 'out.tar'));
        assert.ok(archived.length < 300_000, 'GNU tar did find the holes');
        const { entries } = parseAll(archived);
        assert.deepEqual(
          entries.map(read => [read.entry.path, read.entry.size]),
          [
            ['sparse', size],
            ['hollow', 5_000_000],
            [long, 70_000],
            ['many', 200_000],
          ],
        );
        assert.deepEqual(
          textOf(entries[0]!),
          segments.map(at => [at, `data at ${at}`]),
        );
        assert.deepEqual(
          entries[1]!.runs.filter(run => typeof run !== 'number'),
          [],
        );
        for (const index of [2, 3]) {
          const read = entries[index]!;
          assert.deepEqual(content(read), readFileSync(join(directory, read.entry.path)));
        }
      });
    });
  }
});

test('a plain file over 8 GiB, by its header', { skip: requires({ tools: ['tar'] }) }, () => {
  within(directory => {
    run(directory, 'truncate -s 9G big');
    for (const format of ['gnu', 'pax']) {
      run(directory, `tar --format=${format} -cf - big | head -c 4096 > out.tar`);
      const sizes: number[] = [];
      const nothing = () => {};
      const parser = new TarParser({
        entry: ({ size }) => sizes.push(size),
        data: nothing,
        hole: nothing,
        end: nothing,
      });
      parser.write(readFileSync(join(directory, 'out.tar')));
      assert.deepEqual(sizes, [9 * 2 ** 30], format);
      assert.throws(() => parser.finish(), { code: 'corrupt' });
    }
  });
});

/** The runs of text, by their offsets. */
function textOf({ runs }: Listed): [number, string][] {
  const found: [number, string][] = [];
  let at = 0;
  for (const run of runs) {
    if (typeof run !== 'number') {
      for (const match of run.toString('latin1').matchAll(/[^\0]+/g))
        found.push([at + match.index, match[0]]);
    }
    at += typeof run === 'number' ? run : run.length;
  }
  return found;
}

function compare(
  directory: string,
  path: string,
  read: Listed,
  links: Map<bigint, string>,
  written: (time: bigint) => bigint,
): void {
  const { entry } = read;
  const file = Buffer.from(join(directory, path), 'latin1');
  const stat = lstatSync(file, { bigint: true });
  const type = typeOf(stat);
  const first = links.get(stat.ino);
  if (type !== 'directory' && stat.nlink > 1n && first !== undefined) {
    assert.deepEqual([entry.type, entry.linkpath, entry.size], ['hardlink', first, 0], path);
    return;
  }
  links.set(stat.ino, path);
  const time = written(stat.mtimeNs);
  const expected: Omit<TarEntry, 'path' | 'xattrs'> = {
    type,
    linkpath: type === 'symlink' ? readlinkSync(file, 'latin1') : '',
    size: type === 'file' ? Number(stat.size) : 0,
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtime: {
      seconds: Number((time - modulo(time)) / second),
      nanoseconds: Number(modulo(time)),
    },
    major: type === 'block' || type === 'character' ? Number(stat.rdev >> 8n) : 0,
    minor: type === 'block' || type === 'character' ? Number(stat.rdev & 0xffn) : 0,
  };
  const { path: _, xattrs: __, ...rest } = entry;
  assert.deepEqual(rest, expected, path);
  if (type === 'file') assert.deepEqual(content(read), readFileSync(file), path);
}

function modulo(nanoseconds: bigint): bigint {
  return ((nanoseconds % second) + second) % second;
}

function typeOf(stat: BigIntStats): TarEntry['type'] {
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isFIFO()) return 'fifo';
  if (stat.isCharacterDevice()) return 'character';
  return stat.isBlockDevice() ? 'block' : 'file';
}

function walk(directory: string, path: string): string[] {
  const file = Buffer.from(join(directory, path), 'latin1');
  if (!lstatSync(file).isDirectory()) return [path];
  return [path, ...readdirSync(file, 'latin1').flatMap(name => walk(directory, `${path}/${name}`))];
}

function within(act: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'shale-tar-'));
  try {
    act(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function xattrsWork(): boolean {
  let works = false;
  within(directory => {
    try {
      run(directory, ': > probe && setfattr -n user.probe -v x probe');
      works = true;
    } catch {}
  });
  return works;
}

function run(directory: string, script: string): void {
  execFileSync('sh', ['-ec', script], {
    cwd: directory,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  });
}
