import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'node:test';
import { Warnings } from '../../src/error/index.ts';
import {
  type Content,
  DirectoryTarget,
  readDirectory,
  readFileIn,
} from '../../src/render/directory/index.ts';
import { type DirectoryInode, type Inode, validateTree } from '../../src/tree/index.ts';
import { createScratch, needsLinux, needsRoot } from '../host/scratch.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { Maker, outline } from './directory-tree.ts';

async function render(path: string, maker: Maker, root: DirectoryInode<Content>): Promise<Warnings> {
  const warnings = new Warnings();
  await using target = await DirectoryTarget.create(path, { warnings });
  maker.stage(target);
  await target.assemble(validateTree(root));
  await target.commit();
  return warnings;
}

const contentOf = (maker: Maker) => (content: Content) => maker.contents.get(content.id)!;
const contentIn = (path: string) => (content: { path: string }) =>
  Buffer.concat([...readFileIn(path, content.path)].map(chunk => Buffer.from(chunk)));

async function assertSame(path: string, maker: Maker, root: DirectoryInode<Content>): Promise<void> {
  assert.deepEqual(
    outline(await readDirectory(path), contentIn(path)),
    outline(validateTree(root), contentOf(maker)),
  );
}

function bytes(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

/** Of every kind of thing one, as root can make them. */
function richTree(maker: Maker): DirectoryInode<Content> {
  const linked = maker.file('linked', {
    uid: 3,
    gid: 4,
    mtime: { seconds: 1_000_000_000, nanoseconds: 999_999_999 },
  });
  const linkedSymlink = maker.symlink('nowhere', { uid: 9, gid: 9 });
  const linkedDevice = maker.device('character', 1, 3, { mode: 0o666 });
  const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
  return maker.directory(
    {
      bin: maker.directory(
        {
          su: maker.file('#!setuid', { mode: 0o4755, uid: 1000, gid: 1001 }),
          wall: maker.file('setgid', { mode: 0o2755, gid: 5 }),
          ping: maker.file('capable', { xattrs: new Map([['security.capability', capability]]), uid: 77 }),
        },
        { mode: 0o2555, gid: 12, mtime: { seconds: -5, nanoseconds: 1 } },
      ),
      tmp: maker.directory({}, { mode: 0o1777, xattrs: new Map([['trusted.dir', bytes('\0\xff')]]) }),
      dev: maker.directory({
        null: linkedDevice,
        null2: linkedDevice,
        big: maker.device('block', 4095, 1048575, { mode: 0o600, uid: 1 }),
        pipe: maker.pipe('fifo', { mode: 0o622 }),
        log: maker.pipe('socket', { mode: 0o666, xattrs: new Map([['trusted.s', bytes('s')]]) }),
      }),
      a: linked,
      z: maker.directory({ b: linked, c: linkedSymlink }),
      c: linkedSymlink,
      l: maker.symlink('/etc/passwd', {
        uid: 4294967294,
        gid: 4294967294,
        xattrs: new Map([['trusted.l', bytes('l')]]),
      }),
      'raw\xff\xfe\n': maker.file('not utf-8', { xattrs: new Map([['user.\xff', bytes('')]]) }),
      'link\x80': maker.symlink('\xff/\x80'),
      empty: maker.file('', { mode: 0 }),
      old: maker.file('old', { mtime: { seconds: -2_000_000_000, nanoseconds: 5 } }),
      late: maker.file('late', { mtime: { seconds: 4_294_967_296, nanoseconds: 123_456_789 } }),
    },
    {
      mode: 0o750,
      uid: 10,
      gid: 20,
      mtime: { seconds: 1234, nanoseconds: 5678 },
      xattrs: new Map([['user.root', bytes('r')]]),
    },
  );
}

test('as root, everything arrives exactly', { skip: needsRoot || needsLinux }, async () => {
  using scratch = createScratch();
  const maker = new Maker();
  const root = richTree(maker);
  const umask = process.umask(0o777);
  try {
    const warnings = await render(scratch.at('out'), maker, root);
    assert.deepEqual(warnings.examples, []);
  } finally {
    process.umask(umask);
  }
  await assertSame(scratch.at('out'), maker, root);
  assert.deepEqual(readdirSync(scratch.path), ['out']);
});

test('find and getfattr see what the tree says', {
  skip: needsRoot || needsLinux || findMissing(),
}, async () => {
  using scratch = createScratch();
  const maker = new Maker();
  const root = richTree(maker);
  await render(scratch.at('out'), maker, root);
  const format = '%P|%y|%m|%U|%G|%T@|%n|%l\\0';
  const listing = execFileSync('find', ['.', '-printf', format], {
    cwd: scratch.at('out'),
    encoding: 'latin1',
  });
  const tree = validateTree(root);
  const letters = {
    file: 'f',
    directory: 'd',
    symlink: 'l',
    block: 'b',
    character: 'c',
    fifo: 'p',
    socket: 's',
  };
  const expected: string[] = [];
  const visit = (node: (typeof tree)['root'], path: string): void => {
    const { type, mode, uid, gid, mtime } = node.inode;
    // GNU find prints a time before 1970 as seconds rounded down, then the nanoseconds.
    const time = `${mtime.seconds}.${String(mtime.nanoseconds).padStart(9, '0')}0`;
    const target = node.inode.type === 'symlink' ? node.inode.target : '';
    const octal = (type === 'symlink' ? 0o777 : mode).toString(8);
    expected.push([path, letters[type], octal, uid, gid, time, node.links, target].join('|'));
    for (const entry of node.entries) visit(entry.node, path === '' ? entry.name : `${path}/${entry.name}`);
  };
  visit(tree.root, '');
  assert.deepEqual(withoutDirectoryLinks(listing.split('\0').slice(0, -1)), withoutDirectoryLinks(expected));

  const xattrs = execFileSync('getfattr', ['-R', '-h', '-d', '-m', '-', '-e', 'hex', '.'], {
    cwd: scratch.at('out'),
    encoding: 'latin1',
  });
  for (const line of ['user.root=0x72', 'trusted.dir=0x00ff', 'trusted.l=0x6c', 'trusted.s=0x73'])
    assert.ok(xattrs.includes(line), line);
  assert.equal(xattrs.match(/security\.capability=/g)?.length, 1);
});

/** A directory's link count is the filesystem's own affair. */
function withoutDirectoryLinks(lines: string[]): string[] {
  return lines.map(line => line.replace(/(\|d\|.*\|)\d+\|$/, '$1|')).sort();
}

function findMissing(): string | false {
  try {
    execFileSync('getfattr', ['--version'], { stdio: 'ignore' });
    return execFileSync('find', ['--version'], { encoding: 'utf8' }).includes('GNU')
      ? false
      : 'needs GNU find';
  } catch {
    return 'needs GNU find and getfattr';
  }
}

test('holes take no space, and the bytes between them stand where they should', async () => {
  using scratch = createScratch();
  const size = 64 * 1024 * 1024;
  const warnings = new Warnings();
  {
    await using target = await DirectoryTarget.create(scratch.at('out'), { warnings });
    const maker = new Maker();
    target.beginFile(0, size);
    target.holeFile(1024 * 1024);
    target.appendFile(Buffer.from('middle'));
    target.holeFile(size - 1024 * 1024 - 6);
    target.endFile();
    const sparse: Inode<Content> = { ...maker.file('', mine), type: 'file', size, content: { id: 0 } };
    await target.assemble(validateTree(maker.directory({ sparse }, mine)));
    await target.commit();
  }
  const { size: found, blocks } = statSync(scratch.at('out/sparse'));
  assert.equal(found, size);
  assert.ok(blocks * 512 < 1024 * 1024, `${blocks} blocks`);
  const content = readFileSync(scratch.at('out/sparse'));
  assert.equal(content.toString('latin1', 1024 * 1024, 1024 * 1024 + 6), 'middle');
  assert.equal(
    content.reduce((sum, byte) => sum + byte, 0),
    Buffer.from('middle').reduce((sum, byte) => sum + byte, 0),
  );
});

const mine = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
test('a path far longer than PATH_MAX is made, read back and removed', { skip: needsLinux }, async () => {
  using scratch = createScratch();
  const maker = new Maker();
  let inode: Inode<Content> = maker.directory(
    { file: maker.file('deep', mine), link: maker.symlink('x', mine) },
    mine,
  );
  for (let level = 0; level < 120; level += 1)
    inode = maker.directory({ [`${level}-`.padEnd(100, 'n')]: inode }, mine);
  const root = inode as DirectoryInode<Content>;
  await render(scratch.at('out'), maker, root);
  await assertSame(scratch.at('out'), maker, root);
});

test('one content may stand for two inodes, a file nobody names is dropped', async () => {
  using scratch = createScratch();
  const maker = new Maker();
  const file = maker.file('twice', mine);
  maker.file('hidden by an upper layer');
  const root = maker.directory({ one: file, two: { ...file, mode: 0o600 } }, mine);
  await render(scratch.at('out'), maker, root);
  await assertSame(scratch.at('out'), maker, root);
  assert.notEqual(lstatSync(scratch.at('out/one')).ino, lstatSync(scratch.at('out/two')).ino);
  assert.deepEqual(readdirSync(scratch.path), ['out']);
});

test('an empty directory is taken, also through a symlink; anything else is refused before any work', async () => {
  using scratch = createScratch();
  const maker = new Maker();
  const root = maker.directory({ f: maker.file('x', mine) }, mine);
  mkdirSync(scratch.at('empty'));
  symlinkSync('empty', scratch.at('link'));
  await render(scratch.at('link'), maker, root);
  assert.equal(readFileSync(scratch.at('empty/f'), 'utf8'), 'x');
  assert.equal(readlinkSync(scratch.at('link')), 'empty');

  writeFileSync(scratch.at('file'), '');
  symlinkSync('nowhere', scratch.at('dangling'));
  const before = readdirSync(scratch.path);
  for (const name of ['empty', 'file', 'dangling', 'link'])
    await assert.rejects(
      DirectoryTarget.create(scratch.at(name), { warnings: new Warnings() }),
      { code: 'exists' },
      name,
    );
  for (const name of ['missing/out', 'file/out'])
    await assert.rejects(
      DirectoryTarget.create(scratch.at(name), { warnings: new Warnings() }),
      { code: 'not-found' },
      name,
    );
  assert.deepEqual(readdirSync(scratch.path), before);
});

test('a target that fills up meanwhile is not overwritten', async () => {
  using scratch = createScratch();
  mkdirSync(scratch.at('out'));
  const maker = new Maker();
  {
    await using target = await DirectoryTarget.create(scratch.at('out'), { warnings: new Warnings() });
    await target.assemble(validateTree(maker.directory({}, mine)));
    writeFileSync(scratch.at('out/late'), 'precious');
    await assert.rejects(target.commit(), { code: 'exists' });
  }
  assert.deepEqual(readdirSync(scratch.path), ['out']);
  assert.equal(readFileSync(scratch.at('out/late'), 'utf8'), 'precious');
});

test('without a commit nothing is left, wherever it stopped', async () => {
  using scratch = createScratch();
  for (const stop of ['create', 'begin', 'stage', 'assemble'] as const) {
    const maker = new Maker();
    const root = maker.directory(
      { d: maker.directory({ f: maker.file('x', mine) }, { ...mine, mode: 0 }) },
      mine,
    );
    await using target = await DirectoryTarget.create(scratch.at('out'), { warnings: new Warnings() });
    if (stop !== 'create') {
      maker.stage(target);
      if (stop === 'begin') target.beginFile(99, 10);
      if (stop === 'assemble') await target.assemble(validateTree(root));
    }
    assert.equal(existsSync(scratch.at('out')), false);
    await target[Symbol.asyncDispose]();
    assert.deepEqual(readdirSync(scratch.path), [], stop);
  }
});

test('a raised signal cancels and leaves nothing', async () => {
  using scratch = createScratch();
  const controller = new AbortController();
  const maker = new Maker();
  {
    await using target = await DirectoryTarget.create(scratch.at('out'), {
      warnings: new Warnings(),
      signal: controller.signal,
    });
    controller.abort();
    await assert.rejects(target.assemble(validateTree(maker.directory({}, mine))), { code: 'cancelled' });
  }
  assert.deepEqual(readdirSync(scratch.path), []);
});

test('a caller that counts wrong is told', async () => {
  using scratch = createScratch();
  await using target = await DirectoryTarget.create(scratch.at('out'), { warnings: new Warnings() });
  const wrong = { code: 'internal' };
  assert.throws(() => target.appendFile(Buffer.from('x')), wrong);
  target.beginFile(1, 2);
  assert.throws(() => target.beginFile(2, 2), wrong);
  assert.throws(() => target.appendFile(Buffer.from('xxx')), wrong);
  assert.throws(() => target.endFile(), wrong);
  target.holeFile(2);
  target.endFile();
  assert.throws(() => target.beginFile(1, 2), wrong);
  const maker = new Maker();
  const root = maker.directory({ f: { ...maker.file('abc', mine) } }, mine);
  await assert.rejects(target.assemble(validateTree(root)), wrong);
  await assert.rejects(target.commit(), wrong);
});

test('what the filesystem cannot hold is a warning each', { skip: needsLinux }, async () => {
  using scratch = createScratch();
  const maker = new Maker();
  const root = maker.directory(
    {
      s: maker.symlink('x', { ...mine, xattrs: new Map([['user.x', bytes('1')]]) }),
      f: maker.file('x', { ...mine, xattrs: new Map([['nonsense.x', bytes('1')]]) }),
      t: maker.file('x', { ...mine, mtime: { seconds: 2 ** 45, nanoseconds: 0 } }),
    },
    mine,
  );
  const warnings = await render(scratch.at('out'), maker, root);
  assert.deepEqual(
    Object.fromEntries(warnings.counts),
    clamps(scratch.at('out/t')) ? { 'xattr-dropped': 2, 'time-clamped': 1 } : { 'xattr-dropped': 2 },
  );
  assert.deepEqual(
    warnings.examples.filter(({ code }) => code === 'xattr-dropped').map(({ path }) => path),
    ['f', 's'],
  );
});

function clamps(path: string): boolean {
  return lstatSync(path, { bigint: true }).mtimeNs !== 2n ** 45n * 1_000_000_000n;
}

test('a device number that no kernel holds is refused', { skip: needsLinux }, async () => {
  using scratch = createScratch();
  const maker = new Maker();
  for (const [major, minor] of [
    [4096, 0],
    [0, 1048576],
  ] as const) {
    await assert.rejects(
      render(scratch.at('out'), maker, maker.directory({ d: maker.device('block', major, minor) })),
      {
        code: 'unsupported',
      },
    );
    assert.deepEqual(readdirSync(scratch.path), []);
  }
});

test('random trees come back as they went in', { skip: needsRoot || needsLinux }, async t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  const { integer: below } = createRandom(seed);
  for (let round = 0; round < 25; round += 1) {
    using scratch = createScratch();
    const maker = new Maker();
    const linkable: Inode<Content>[] = [];
    const more = () => ({
      mode: below(0o10000),
      uid: below(3) * 1_000_000,
      gid: below(2) * 4_000_000_000,
      mtime: { seconds: below(2 ** 31) - 2 ** 20, nanoseconds: below(1_000_000_000) },
      xattrs: new Map(
        Array.from(
          { length: below(2) },
          () => [`trusted.${below(99)}`, Buffer.alloc(below(50), below(256))] as const,
        ),
      ),
    });
    const name = (): string =>
      Array.from({ length: 1 + below(8) }, () => String.fromCharCode(1 + below(255)))
        .join('')
        .replaceAll('/', '_')
        .replace(/^\.+$/, 'dots');
    const leaf = (): Inode<Content> => {
      const kind = below(7);
      if (kind === 0 && linkable.length > 0) return linkable[below(linkable.length)]!;
      const inode =
        kind <= 2
          ? maker.file(Buffer.alloc(below(3) * below(5000), below(256)), more())
          : kind === 3
            ? maker.symlink(below(2) === 0 ? '/' : `../${name()}`, more())
            : kind === 4
              ? maker.device('block', below(4096), below(2 ** 20), more())
              : maker.pipe(kind === 5 ? 'fifo' : 'socket', more());
      linkable.push(inode);
      return inode;
    };
    const directory = (depth: number): DirectoryInode<Content> =>
      maker.directory(
        Array.from({ length: below(9) }, () => [
          name(),
          depth > 0 && below(3) === 0 ? directory(depth - 1) : leaf(),
        ]),
        more(),
      );
    const root = directory(4);
    const warnings = await render(scratch.at('out'), maker, root);
    assert.deepEqual(warnings.examples, []);
    await assertSame(scratch.at('out'), maker, root);
  }
});
