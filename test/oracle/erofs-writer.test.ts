/** Images that we write, as others read them: Linux itself, and erofs-utils old and new. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, lstatSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { emptyFile, type FileData, headSize, hole, writeErofs } from '../../src/erofs/index.ts';
import { Warnings } from '../../src/error/index.ts';
import { readXattrs } from '../../src/host/index.ts';
import { type Inode, validateTree } from '../../src/tree/index.ts';
import { listDisk, walkDisk } from '../disk.ts';
import {
  type BuildOptions,
  buildErofs,
  type Storage,
  withoutEmptyXattrs,
  withTimes,
} from '../erofs/built-image.ts';
import { newErofsTool, requiresNewErofs } from '../erofs-tools.ts';
import { createScratch } from '../host/scratch.ts';
import { type ErofsMountOptions, mountErofs } from '../kernel-mount.ts';
import { createRandom, type Random, readSeed } from '../model/random.ts';
import { requires } from '../requirement.ts';
import { directory, file, listSample, plain, randomTree, type Sample } from '../squashfs/sample.ts';

const kernel = requires({ mounts: ['erofs'] });

function seeded(t: TestContext): Random {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  return createRandom(seed);
}

/** Says of two listings where they begin to differ; all of both would be thousands of lines. */
function compare(found: readonly string[], expected: readonly string[]): void {
  for (const [line, text] of expected.entries()) assert.equal(found[line], text);
  assert.equal(found.length, expected.length);
}

/** Mounts what was built and compares it with the tree, counts of links included. */
function checkMounted(tree: Sample, options: BuildOptions = {}, mount: ErofsMountOptions = {}): void {
  using scratch = createScratch();
  const { image, devices } = buildErofs(tree, options);
  writeFileSync(scratch.at('image'), image);
  const files = devices.map((bytes, index) => {
    // A loop device of no bytes cannot be.
    writeFileSync(scratch.at(`device${index}`), bytes.length === 0 ? Buffer.alloc(4096) : bytes);
    return scratch.at(`device${index}`);
  });
  using mounted = mountErofs(scratch.at('image'), { devices: files, ...mount });
  compare(listDisk(mounted.path), listSample(tree));
  const links = new Map(validateTree(tree).nodes.map(node => [node.path, node.links]));
  for (const [path, stat] of walkDisk(mounted.path, { contentLimit: 0 })) {
    const count = links.get(path);
    if (count !== undefined) assert.equal(Number(stat.nlink), count, path);
    assert.notEqual(stat.ino, 0n);
  }
}

const storages: readonly Storage[] = ['plain', 'inline', 'chunked', 'device', 'lz4', 'deflate', 'zstd'];

/** Files of many blocks, some of which do not shrink. */
function addLarge(tree: ReturnType<typeof randomTree>, random: Random): typeof tree {
  const children = new Map(tree.children);
  for (let count = 0; count < 12; count++) {
    const size = random.integer(300_000);
    const bytes = Buffer.alloc(size, 'it is the same again and again, ');
    for (let at = 0; at < size; at += 1 + random.integer(4000)) bytes[at] = random.integer(256);
    if (random.chance(0.5))
      for (let at = 70_000; at < Math.min(size, 200_000); at++) bytes[at] = random.integer(256);
    if (random.chance(0.3)) bytes.subarray(8192, 100_000).fill(0);
    children.set(`large${count}`, file(bytes));
  }
  return { ...tree, children };
}

for (const storage of storages) {
  test(`the kernel shows a tree whose files are ${storage}`, { skip: kernel }, t => {
    const random = seeded(t);
    const blockSize = random.pick([512, 4096] as const);
    const tree = withTimes(
      addLarge(randomTree(random, { entries: 400, largeXattrs: true, blockSize }), random),
      random,
    );
    const extentBytes = blockSize * random.pick([2, 16, 256]);
    const deviceCount = storage === 'device' ? 3 : 0;
    const options = { blockSize, extentBytes, deviceCount, storage: () => storage } as const;
    t.diagnostic(`blocks of ${blockSize}, extents of ${extentBytes}`);
    checkMounted(tree, options, { loop: random.chance(0.3) });
  });
}

for (const blockSize of [512, 1024, 2048, 4096] as const) {
  test(`the kernel shows blocks of ${blockSize}, from a loop device too`, { skip: kernel }, t => {
    const random = seeded(t);
    const tree = withTimes(randomTree(random, { entries: 400, largeXattrs: true, blockSize }), random);
    let file = 0;
    const storage = (): Storage => storages[file++ % storages.length]!;
    const options = { blockSize, storage, deviceCount: 2, chunkBytes: 2 * blockSize };
    checkMounted(tree, options);
    checkMounted(tree, options, { loop: true });
  });
}

for (const storage of ['plain', 'inline', 'chunked', 'lz4', 'deflate', 'zstd'] as const) {
  test(`fsck.erofs extracts a tree whose files are ${storage}`, {
    skip: requiresNewErofs() || requires({ root: true }),
  }, t => {
    using scratch = createScratch();
    const random = seeded(t);
    const tree = withoutEmptyXattrs(addLarge(randomTree(random, { entries: 300 }), random));
    // A hole at the end is lost when it extracts.
    const endsInHole = (bytes: Buffer): boolean =>
      bytes.subarray(-(bytes.length % 4096 || 4096)).every(byte => byte === 0);
    const storageOf = (bytes: Buffer): Storage =>
      storage === 'chunked' && endsInHole(bytes) ? 'plain' : storage;
    const xattrPrefixes = random.chance(0.5) ? ['trusted.longer.', 'security.xx'] : [];
    writeFileSync(scratch.at('image'), buildErofs(tree, { storage: storageOf, xattrPrefixes }).image);
    const out = scratch.at('out');
    const options = ['--preserve', '--xattrs', `--extract=${out}`];
    execFileSync(newErofsTool('fsck.erofs')!, [...options, scratch.at('image')], { stdio: 'pipe' });
    compare(listDisk(out), listSample(tree));
    const told = execFileSync(newErofsTool('dump.erofs')!, ['-s', scratch.at('image')], { encoding: 'utf8' });
    const { nodes } = validateTree(tree);
    assert.match(told, new RegExp(`inode count: +${nodes.length}\n`));
    assert.match(told, /features: +.*sb_csum mtime.* xattr_filter/);
  });
}

test('the fsck.erofs of 2022 finds no fault', { skip: requires({ tools: ['fsck.erofs'] }) }, t => {
  using scratch = createScratch();
  const random = seeded(t);
  const tree = addLarge(randomTree(random, { entries: 300 }), random);
  for (const storage of ['plain', 'inline', 'chunked', 'lz4'] as const) {
    writeFileSync(scratch.at('image'), buildErofs(tree, { storage: () => storage }).image);
    execFileSync('fsck.erofs', ['--extract', scratch.at('image')], { stdio: 'pipe' });
  }
});

test('an empty tree', { skip: kernel }, () => {
  checkMounted(directory());
  checkMounted(directory(), { blockSize: 512 });
});

test('names of all kinds, in the order of their bytes', { skip: kernel }, () => {
  const names = [
    '!',
    '+',
    '-',
    '.!',
    '.+',
    '.-',
    '...',
    '.a',
    '..!',
    '..a',
    'a',
    'a.',
    '\xff',
    '\x01',
    'n'.repeat(255),
    '.'.repeat(255),
  ];
  checkMounted(directory(Object.fromEntries(names.map(name => [name, file(name)]))));
  const before = Object.fromEntries(names.filter(name => name < '.').map(name => [name, file(name)]));
  checkMounted(directory(before));
});

test('directories that fill their blocks, or nearly so', { skip: kernel }, () => {
  const children: Record<string, Sample> = {};
  for (const blocks of [1, 2]) {
    for (let spare = 0; spare <= 40; spare++) {
      // 27 bytes for . and .., then entries of 112 bytes, and one for the rest.
      const used = blocks === 1 ? 27 : 0;
      const names: string[] = [];
      let left = 4096 - spare - used;
      for (; left > 260; left -= 112) names.push(`${String(left).padStart(5, '0')}${'x'.repeat(95)}`);
      names.push('y'.repeat(left - 12));
      const many = blocks === 1 ? names : [...names, ...names.map(name => `z${name.slice(1)}`)];
      children[`${blocks}-${spare}`] = directory(Object.fromEntries(many.map(name => [name, file()])));
    }
  }
  checkMounted(directory(children));
});

test('a directory of 70 000 names, and a file that has as many', { skip: kernel }, () => {
  using scratch = createScratch();
  const children = new Map<string, Sample>();
  const common = file('one file');
  for (let index = 0; index < 70_000; index++) {
    children.set(`${index}-${'name'.repeat(index % 10)}`, index % 7 === 0 ? common : file(`${index % 100}`));
  }
  const links = new Map<string, Sample>();
  for (let index = 0; index < 66_000; index++) links.set(`link${index}`, common);
  const tree = directory({ many: directory(children), links: directory(links) });
  writeFileSync(scratch.at('image'), buildErofs(tree).image);
  using mounted = mountErofs(scratch.at('image'));
  let count = 0;
  for (const [path, stat, inode] of walkDisk(mounted.path)) {
    const [parent, name] = path.split('/');
    if (name === undefined) continue;
    const expected = (parent === 'many' ? children : links).get(name)!;
    assert.equal(inode.size, expected.type === 'file' ? expected.size : -1);
    if (expected === common) assert.equal(Number(stat.nlink), 66_000 + 10_000);
    count += 1;
  }
  assert.equal(count, 136_000);
  assert.throws(() => lstatSync(`${mounted.path}/many/70000-`), { code: 'ENOENT' });
});

test('tails of every size, behind xattrs of every size', { skip: kernel }, t => {
  const random = seeded(t);
  const children: Record<string, Sample> = {};
  for (let size = 0; size < 1400; size++) {
    const bytes = Buffer.alloc(
      size < 600 ? size : size < 1000 ? 4096 - (size - 600) : random.integer(9000),
      size,
    );
    const value = Buffer.alloc(random.pick([0, 1, random.integer(100), random.integer(4200)]), size);
    const xattrs = new Map(random.chance(0.5) ? [] : [['user.x', value] as const]);
    const uid = random.pick([0, 70_000]);
    children[`f${size}`] = { ...file(bytes), uid, xattrs } as Sample;
  }
  checkMounted(directory(children));
  checkMounted(directory(children), { blockSize: 512 });
});

test('targets of every length', { skip: kernel }, t => {
  const random = seeded(t);
  for (const blockSize of [512, 4096] as const) {
    const children: Record<string, Sample> = {};
    for (let index = 0; index < 500; index++) {
      const length = random.pick([
        1 + random.integer(4095),
        4095 - random.integer(150),
        1 + random.integer(600),
      ]);
      const value = Buffer.alloc(random.integer(200));
      const xattrs = new Map(random.chance(0.5) ? [] : [['trusted.x', value] as const]);
      const target = String(index).padEnd(length, 'x').slice(0, length);
      children[`l${index}`] = { ...plain, type: 'symlink', target, xattrs, uid: random.pick([0, 70_000]) };
    }
    checkMounted(directory(children), { blockSize });
  }
});

test('xattrs of all sizes and numbers, alone and shared', { skip: kernel }, t => {
  const random = seeded(t);
  const acl = Buffer.from('020000000100060000000400040000002000040000000000'.padEnd(56, '0'), 'hex').subarray(
    0,
    28,
  );
  acl.set(Buffer.from('0200000001000600ffffffff04000400ffffffff20000400ffffffff', 'hex'));
  const many = (count: number, size: number, from = 0): Map<string, Buffer> =>
    new Map(Array.from({ length: count }, (_, index) => [`user.${index}`, Buffer.alloc(size, index + from)]));
  const of = (xattrs: ReadonlyMap<string, Uint8Array>): Sample => ({ ...file('x'), xattrs }) as Sample;
  const children: Record<string, Sample> = {
    many: of(many(300, 10)),
    manyShared: of(many(300, 10)),
    others: of(many(300, 11, 7)),
    largest: of(new Map([['user.a', Buffer.alloc(65535, 'a')]])),
    largestShared: of(new Map([['user.a', Buffer.alloc(65535, 'a')]])),
    largeSum: of(many(20, 60_000)),
    acl: of(new Map([['system.posix_acl_access', acl]])),
    defaultAcl: { ...directory(), xattrs: new Map([['system.posix_acl_default', acl]]) } as Sample,
    names: of(
      new Map([
        [`user.${'n'.repeat(250)}`, Buffer.from('long')],
        ['security.\xff', Buffer.alloc(0)],
      ]),
    ),
    overlay: of(
      new Map([
        ['trusted.overlay.opaque', Buffer.from('y')],
        ['trusted.overlay.', Buffer.from('z')],
      ]),
    ),
  };
  for (let index = 0; index < 400; index++) {
    const xattrs = new Map<string, Buffer>();
    for (let count = random.integer(4); count > 0; count--) {
      const name = `user.${random.integer(8)}`;
      xattrs.set(name, Buffer.alloc(random.integer(1500), random.integer(2)));
    }
    children[`random${index}`] = of(xattrs);
  }
  checkMounted(directory(children));
  checkMounted(directory(children), { blockSize: 512 });
  checkMounted(directory(children), { xattrPrefixes: ['trusted.overlay.', 'user.nn'] });
});

test('an xattr that is not there is not found', { skip: kernel }, () => {
  using scratch = createScratch();
  const xattrs = new Map([['trusted.overlay.opaque', Buffer.from('y')]]);
  const tree = directory({ a: { ...directory(), xattrs } as Sample });
  writeFileSync(scratch.at('image'), buildErofs(tree).image);
  using mounted = mountErofs(scratch.at('image'));
  assert.deepEqual([...readXattrs(`${mounted.path}/a`).keys()], ['trusted.overlay.opaque']);
  assert.equal(readXattrs(mounted.path).size, 0);
  const get = (name: string): string =>
    execFileSync('sh', ['-c', 'getfattr -n "$1" "$2" 2>&1 || true', 'sh', name, `${mounted.path}/a`], {
      encoding: 'utf8',
    });
  for (const name of ['trusted.overlay.redirect', 'trusted.overlay.metacopy', 'user.overlay.opaque']) {
    assert.match(get(name), /No such attribute|not found/);
  }
});

test('the largest owners that Linux knows', { skip: kernel }, () => {
  const owned = (uid: number, gid: number): Sample => ({ ...file('x'), uid, gid }) as Sample;
  checkMounted(
    directory({
      a: owned(65535, 65535),
      b: owned(65536, 0),
      c: owned(0, 65536),
      d: owned(4294967294, 4294967294),
    }),
  );
});

test('500 devices', { skip: kernel }, t => {
  const random = seeded(t);
  const children: Record<string, Sample> = {};
  for (let index = 0; index < 600; index++)
    children[`f${index}`] = file(Buffer.alloc(1 + random.integer(5000), `${index}`));
  checkMounted(directory(children), { storage: () => 'device', deviceCount: 500 });
});

test('holes are where they were', { skip: kernel }, () => {
  using scratch = createScratch();
  const bytes = Buffer.alloc(100 * 4096);
  for (const [from, to] of [
    [0, 4096],
    [40_960, 50_000],
    [200_000, 290_000],
  ] as const)
    bytes.fill('data', from, to);
  for (const chunkBytes of [4096, 16_384]) {
    const image = buildErofs(directory({ a: file(bytes), z: file(Buffer.alloc(50_000)) }), {
      storage: () => 'chunked',
      chunkBytes,
    });
    writeFileSync(scratch.at(`image${chunkBytes}`), image.image);
    using mounted = mountErofs(scratch.at(`image${chunkBytes}`));
    const data: string[] = [];
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      const isHole = bytes.subarray(at, at + chunkBytes).every(byte => byte === 0);
      const end = Math.min(at + chunkBytes, bytes.length);
      if (isHole) continue;
      const last = data.at(-1)?.split('-');
      if (last?.[1] === `${at}`) data[data.length - 1] = `${last[0]}-${end}`;
      else data.push(`${at}-${end}`);
    }
    const [, a, z] = listDisk(mounted.path, { holes: true });
    assert.ok(a!.endsWith(` data ${data.join()}`), a);
    assert.ok(z!.endsWith(' data '), z);
  }
});

test('beyond 4 GiB: data, sizes, and what is behind the data', { skip: kernel }, () => {
  using scratch = createScratch();
  const path = scratch.at('image');
  const fd = openSync(path, 'w+');
  const far = 6 * 2 ** 30;
  const chunkBytes = 2 ** 32;
  const content = Buffer.from('far away');
  writeSync(fd, content, 0, content.length, far);
  const large = 2 * chunkBytes + content.length;
  const children = new Map<string, Inode<FileData>>([
    ['plain', { ...plain, type: 'file', size: content.length, content: { kind: 'plain', start: far } }],
    [
      'large',
      {
        ...plain,
        type: 'file',
        size: large,
        content: { kind: 'chunked', chunkBytes, starts: [hole, hole, far] },
      },
    ],
    ['empty', { ...plain, type: 'file', size: 0, content: emptyFile }],
    ['directory', { ...plain, type: 'directory', children: new Map() }],
  ]);
  const output = {
    position: far + content.length,
    append(bytes: Uint8Array): void {
      writeSync(fd, bytes, 0, bytes.length, this.position);
      this.position += bytes.length;
    },
  };
  const blockSize = 4096;
  const options = { blockSize, identity: new Uint8Array(0), warnings: new Warnings() } as const;
  const made = writeErofs(output, validateTree<FileData>({ ...plain, type: 'directory', children }), options);
  assert.equal(made.head.length, headSize(options));
  writeSync(fd, made.head, 0, made.head.length, 0);
  ftruncateSync(fd, made.size);
  closeSync(fd);
  using mounted = mountErofs(path);
  const read = (name: string, position: number): string => {
    const file = openSync(`${mounted.path}/${name}`, 'r');
    const bytes = Buffer.alloc(100);
    const length = readSync(file, bytes, 0, bytes.length, position);
    closeSync(file);
    return bytes.toString('latin1', 0, length);
  };
  assert.equal(read('plain', 0), 'far away');
  assert.equal(read('large', 2 * chunkBytes), 'far away');
  assert.equal(read('large', chunkBytes - 50), '\0'.repeat(100));
  assert.equal(lstatSync(`${mounted.path}/large`).size, large);
});

test('a volume has its name and its UUID', { skip: requires({ tools: ['blkid'] }) }, () => {
  using scratch = createScratch();
  const { image, uuid } = buildErofs(directory(), { volumeName: 'fifteen letters' });
  writeFileSync(scratch.at('image'), image);
  const told = execFileSync('blkid', ['-p', '-o', 'export', scratch.at('image')], { encoding: 'utf8' });
  const hex = Buffer.from(uuid)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  assert.match(told, new RegExp(`UUID=${hex}`));
  assert.match(told, /LABEL=fifteen\\? letters/);
});
