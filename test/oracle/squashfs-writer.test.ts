/** Images that we write, as others read them: squashfs-tools, squashfs-tools-ng and Linux itself. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { call, cString } from '../../src/host/libc.ts';
import type { SquashfsCompression } from '../../src/squashfs/index.ts';
import { validateTree } from '../../src/tree/index.ts';
import { createScratch } from '../host/scratch.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { requires } from '../requirement.ts';
import { listDisk, walkDisk } from '../squashfs/disk.ts';
import {
  buildImage,
  directory,
  file,
  listSample,
  plain,
  randomTree,
  type Sample,
} from '../squashfs/sample.ts';

const compressions: readonly SquashfsCompression[] = ['gzip', 'zstd', 'lz4', 'xz', 'none'];

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, {
    encoding: 'latin1',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1e9,
  });
}

/** The tree as a mounted filesystem. */
function mounted<T>(image: string, use: (root: string) => T): T {
  const root = `${image}.mounted`;
  mkdirSync(root);
  run('mount', '-t', 'squashfs', '-o', 'loop,ro', image, root);
  try {
    return use(root);
  } finally {
    run('umount', root);
  }
}

for (const compression of compressions) {
  test(`unsquashfs extracts what was written with ${compression}`, {
    skip: requires({ tools: ['unsquashfs'], root: true }),
  }, t => {
    using scratch = createScratch();
    const seed = readSeed();
    t.diagnostic(`SEED=${seed}`);
    const tree = randomTree(createRandom(seed), { entries: 400 });
    const image = scratch.at('image');
    writeFileSync(image, buildImage(tree, { compression }));
    run('unsquashfs', '-no-progress', '-d', scratch.at('out'), image);
    assert.deepEqual(listDisk(scratch.at('out')), listSample(tree));
  });

  test(`the kernel shows what was written with ${compression}`, {
    skip: requires({ mounts: ['squashfs'] }),
  }, t => {
    using scratch = createScratch();
    const seed = readSeed();
    t.diagnostic(`SEED=${seed}`);
    const blockSize = compression === 'gzip' ? 65536 : 4096;
    const tree = randomTree(createRandom(seed), { entries: 400, largeXattrs: true, blockSize });
    const image = scratch.at('image');
    writeFileSync(image, buildImage(tree, { compression, blockSize }));
    mounted(image, root => {
      assert.deepEqual(listDisk(root), listSample(tree));
      const links = new Map(validateTree(tree).nodes.map(node => [node.path, node.links]));
      for (const [path, stat] of walkDisk(root)) {
        const expected = links.get(path);
        if (expected !== undefined) assert.equal(Number(stat.nlink), expected, path);
      }
    });
  });
}

test('where nothing has xattrs the kernel lists none, or refuses if there is no table of them', {
  skip: requires({ tools: ['unsquashfs'], mounts: ['squashfs'] }),
}, () => {
  using scratch = createScratch();
  const tree = directory({ file: file('content') });
  const list = (image: string) =>
    mounted(image, root => call('llistxattr', root, cString(root), Buffer.alloc(100), 100));
  for (const compression of compressions) {
    const image = scratch.at(compression);
    writeFileSync(image, buildImage(tree, { compression, alwaysXattrs: true }));
    assert.equal(list(image), 0);
    run('unsquashfs', '-no-progress', '-d', scratch.at(`${compression}.out`), image);
    assert.deepEqual(listDisk(scratch.at(`${compression}.out`)), listSample(tree));
  }
  writeFileSync(scratch.at('plain'), buildImage(tree));
  assert.throws(() => list(scratch.at('plain')), { code: 'ENOTSUP' });
});

test('sqfs2tar makes a tar of the same tree', {
  skip: requires({ tools: ['sqfs2tar', 'tar'], root: true }),
}, t => {
  using scratch = createScratch();
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  const tree = randomTree(createRandom(seed), { entries: 300, sockets: false });
  const image = scratch.at('image');
  writeFileSync(image, buildImage(tree, { compression: 'zstd' }));
  mkdirSync(scratch.at('out'));
  execFileSync('sh', ['-c', `sqfs2tar -r . '${image}' > '${scratch.at('tar')}'`]);
  run(
    'tar',
    '--numeric-owner',
    '--xattrs',
    '--xattrs-include=*',
    '-xpf',
    scratch.at('tar'),
    '-C',
    scratch.at('out'),
  );
  assert.deepEqual(listDisk(scratch.at('out')), listSample(tree));
});

test('unsquashfs -s says how the image was made', { skip: requires({ tools: ['unsquashfs'] }) }, () => {
  using scratch = createScratch();
  const image = scratch.at('image');
  const describe = (root: Sample, options: Parameters<typeof buildImage>[1]): string => {
    writeFileSync(image, buildImage(root, options));
    return run('unsquashfs', '-s', image);
  };
  const tree = directory({ a: file('a'), b: file('b') });
  const zstd = describe(tree, { compression: 'zstd', level: 3, blockSize: 131072, modificationTime: 86400 });
  assert.match(zstd, /Compression zstd\n\s*compression-level 3\n/);
  assert.match(zstd, /Block size 131072\n/);
  assert.match(zstd, /exportable via NFS/);
  assert.match(zstd, /Xattrs are not stored/);
  assert.match(zstd, /Number of inodes 3\n/);
  assert.match(zstd, /Number of fragments 1\n/);
  assert.match(zstd, / Jan +[123] .*1970/);
  assert.doesNotMatch(describe(tree, { compression: 'zstd', level: 15 }), /compression-level/);
  assert.match(describe(tree, { compression: 'gzip', level: 1 }), /compression-level 1\n\s*window-size 15/);
  assert.doesNotMatch(describe(tree, { compression: 'gzip', level: 9 }), /compression-level/);
  assert.match(describe(tree, { compression: 'lz4' }), /Compression lz4/);
  const none = describe(tree, { compression: 'none', exportable: false });
  assert.match(none, /Inodes are uncompressed\nData is uncompressed/);
  assert.match(none, /Fragments are uncompressed/);
  assert.match(none, /not exportable/);
});

test('the kernel finds every name of a large directory', { skip: requires({ mounts: ['squashfs'] }) }, () => {
  using scratch = createScratch();
  const count = 70_000;
  const names = Array.from({ length: count }, (_, index) => `entry-${(index * 7919) % count}`);
  const large = directory(new Map(names.map(name => [name, { ...plain, type: 'fifo' } as Sample])));
  const image = scratch.at('image');
  writeFileSync(image, buildImage(directory({ large, empty: directory() }), { compression: 'zstd' }));
  mounted(image, root => {
    // Looked up before the directory is listed, so that the names do not come from the cache.
    for (let index = 0; index < count; index += 97) {
      assert.ok(lstatSync(`${root}/large/entry-${index}`).isFIFO());
    }
    for (const missing of ['a', 'entry-', 'entry-70000', 'entry-5x', 'z']) {
      assert.ok(!existsSync(`${root}/large/${missing}`), missing);
    }
    assert.deepEqual(readdirSync(`${root}/large`).sort(), names.sort());
    assert.deepEqual(readdirSync(`${root}/empty`), []);
  });
});

test('the kernel mounts 65 535 different owners', { skip: requires({ mounts: ['squashfs'] }) }, () => {
  using scratch = createScratch();
  const children = new Map<string, Sample>();
  for (let index = 0; index < 32767; index++) {
    children.set(`f${index}`, { ...plain, uid: 2 * index + 1, gid: 2 * index + 2, type: 'socket' });
  }
  const image = scratch.at('image');
  writeFileSync(image, buildImage(directory(children), { compression: 'zstd' }));
  mounted(image, root => {
    for (const index of [0, 1, 20000, 32766]) {
      const { uid, gid } = lstatSync(`${root}/f${index}`);
      assert.deepEqual([uid, gid], [2 * index + 1, 2 * index + 2]);
    }
  });
});
