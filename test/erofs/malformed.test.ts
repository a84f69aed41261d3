/** Images that someone has bent: each is refused, by what is wrong with it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checksumLength, superblockChecksum } from '../../src/erofs/checksum.ts';
import { type ErofsImage, openErofs } from '../../src/erofs/index.ts';
import { compactInode, extendedInode, superblock, superblockOffset } from '../../src/erofs/layout.ts';
import { ShaleError } from '../../src/error/index.ts';
import { bytesSource } from '../../src/squashfs/index.ts';
import { createRandom } from '../model/random.ts';
import { directory, file, plain, type Sample } from '../squashfs/sample.ts';
import { type BuildOptions, buildErofs } from './built-image.ts';

/** Changes a good image, and says its checksum anew. */
function bend(
  root: Sample,
  change: (image: Buffer, good: ErofsImage) => void,
  options: BuildOptions = {},
): Buffer {
  const { image } = buildErofs(root, options);
  const bent = Buffer.from(image);
  using good = openErofs(bytesSource(image));
  change(bent, good);
  return sealed(bent, good.superblock.blockSize);
}

function sealed(image: Buffer, blockSize: number): Buffer {
  const end = superblockOffset + checksumLength(blockSize);
  const sum = superblockChecksum(image.subarray(superblockOffset, end));
  image.writeUInt32LE(sum, superblockOffset + superblock.offsets.checksum);
  return image;
}

/** Everything that can be read. */
function readEverything(image: Buffer): void {
  using opened = openErofs(bytesSource(image));
  for (const { inode } of opened.tree().nodes) {
    if (inode.type === 'file') for (const _ of opened.read(inode));
  }
}

function refuses(image: Buffer, code: string, message: RegExp): void {
  assert.throws(
    () => readEverything(image),
    (error: unknown) => {
      assert.ok(error instanceof ShaleError, String(error));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      return true;
    },
  );
}

const small = directory({ a: file('one'), b: file('two'), d: directory({ c: file('three') }) });
const field = (name: keyof typeof superblock.offsets) => superblockOffset + superblock.offsets[name];

/** Where a name's entry and its name lie in a directory that is behind its inode. */
function entryOf(image: Buffer, good: ErofsImage, path: string, name: string) {
  const found = good.lookup(path);
  assert.ok(found.type === 'directory' && found.content.kind === 'inline');
  const { tail } = found.content;
  const count = image.readUInt16LE(tail + 8) / 12;
  const start = (index: number) => tail + image.readUInt16LE(tail + index * 12 + 8);
  for (let index = 0; index < count; index++) {
    const end = index + 1 < count ? start(index + 1) : tail + found.size;
    if (image.toString('latin1', start(index), end) !== name) continue;
    return { at: tail + index * 12, offset: start(index), tail };
  }
  assert.fail(`no ${name} in ${path}`);
}

test('what is no EROFS at all is invalid', () => {
  for (const length of [0, 1, 1024, 1027, 5000]) refuses(Buffer.alloc(length), 'invalid', /not an EROFS/);
});

test('a cut image is corrupt wherever it is cut, before anything of it is read', () => {
  const { image } = buildErofs(small);
  for (let length = 1028; length < image.length; length += 97) {
    refuses(image.subarray(0, length), 'corrupt', /superblock.*(cut|ends)/);
  }
});

test('a superblock whose checksum is wrong', () => {
  const { image } = buildErofs(small);
  image[field('inodeCount')]! += 1;
  refuses(image, 'corrupt', /checksum is 0x[0-9a-f]{8}, not 0x[0-9a-f]{8}/);
});

test('features that are not read are named by their bits', () => {
  for (const [bits, message] of [
    [0x80, /0x80 \(48-bit/],
    [0x100, /0x100 \(metabox/],
    [0x80000200, /0x200, 0x80000000$/],
  ] as const) {
    refuses(
      bend(small, image => image.writeUInt32LE(bits, field('incompatible'))),
      'unsupported',
      message,
    );
  }
});

test('fields of the superblock that cannot be', () => {
  const set = (name: keyof typeof superblock.offsets, value: number) =>
    bend(small, image => image.writeUInt8(value, field(name)));
  refuses(set('blockBits', 8), 'corrupt', /2\^8/);
  refuses(set('blockBits', 40), 'corrupt', /2\^40/);
  refuses(set('directoryBlockBits', 1), 'unsupported', /directory blocks/);
  refuses(
    bend(small, image => image.writeUInt32LE(0xffffffff, field('metadataBlock'))),
    'corrupt',
    /inode.*ends at/,
  );
  refuses(
    bend(small, image => image.writeUInt32LE(1e9, field('buildNanoseconds'))),
    'corrupt',
    /time is none/,
  );
  refuses(
    bend(small, (image, good) => image.writeUInt16LE(good.lookup('a').nid, field('rootNid'))),
    'corrupt',
    /the root is a file/,
  );
});

test('inodes that cannot be', () => {
  const change = (offset: number, value: number) =>
    bend(small, (image, good) => image.writeUInt16LE(value, good.lookup('a').position + offset));
  refuses(change(0, 0x1000), 'unsupported', /format 0x1000/);
  refuses(change(0, 5 * 2), 'unsupported', /data layout 5/);
  refuses(change(compactInode.offsets.mode, 0o030644), 'corrupt', /of no type/);
  refuses(change(0, 0), 'corrupt', /data.*ends at|directory.*names/);
});

test('an entry that names no inode, or one of another type', () => {
  const point = (nid: (good: ErofsImage) => bigint) =>
    bend(small, (image, good) => image.writeBigUInt64LE(nid(good), entryOf(image, good, '', 'a').at));
  for (const nid of [0xffffn, 1n << 40n, 1n << 62n, (1n << 64n) - 1n]) {
    refuses(
      point(() => nid),
      'corrupt',
      /inode/,
    );
  }
  refuses(
    point(good => BigInt(good.lookup('d').nid)),
    'corrupt',
    /names a file, and is a directory/,
  );
  refuses(
    bend(small, (image, good) => image.writeUInt8(9, entryOf(image, good, '', 'a').at + 10)),
    'corrupt',
    /of type 9/,
  );
});

test('a directory in itself, in its child, or under two names', () => {
  const nested = directory({ a: directory({ b: directory({ x: file() }) }), z: directory() });
  const point = (path: string, name: string, to: string) =>
    bend(nested, (image, good) => {
      const { at } = entryOf(image, good, path, name);
      image.writeBigUInt64LE(BigInt(good.lookup(to).nid), at);
    });
  refuses(point('a', 'b', 'a'), 'corrupt', /two directories or in itself/);
  refuses(point('a', 'b', ''), 'corrupt', /two directories or in itself/);
  refuses(point('', 'z', 'a'), 'corrupt', /two directories or in itself|\.\. is inode/);
  refuses(point('', 'z', 'a/b'), 'corrupt', /two directories or in itself|\.\. is inode/);
});

test('. and .. that are not there, or lead elsewhere', () => {
  const nested = directory({ a: directory({ b: directory() }) });
  const point = (name: string, to: string) =>
    bend(nested, (image, good) => {
      image.writeBigUInt64LE(BigInt(good.lookup(to).nid), entryOf(image, good, 'a/b', name).at);
    });
  refuses(point('.', ''), 'corrupt', /\. is inode/);
  refuses(point('..', ''), 'corrupt', /\.\. is inode/);
  const renamed = bend(nested, (image, good) => {
    const { offset } = entryOf(image, good, 'a/b', '..');
    image.write('.0', offset, 'latin1');
  });
  refuses(renamed, 'corrupt', /two directories or in itself/);
  using opened = openErofs(bytesSource(renamed));
  const found = opened.lookup('a/b');
  assert.ok(found.type === 'directory');
  assert.throws(() => [...opened.list(found)], { code: 'corrupt', message: /no \. or no \.\./ });
});

test('names that no file has, out of order or twice', () => {
  const rename = (name: string) =>
    bend(small, (image, good) => void image.write(name, entryOf(image, good, '', 'b').offset, 'latin1'));
  refuses(rename('/'), 'corrupt', /not a file's name/);
  refuses(rename('\0'), 'corrupt', /not a file's name/);
  refuses(rename('a'), 'corrupt', /out of order: a behind a/);
  refuses(rename('A'), 'corrupt', /out of order: A behind a/);
  for (const offset of [0, 1, 13, 4000, 65535]) {
    const bent = bend(small, (image, good) => {
      const { tail } = entryOf(image, good, '', 'a');
      image.writeUInt16LE(offset, tail + 8);
    });
    refuses(bent, 'corrupt', /directory/);
  }
});

test('counts of links are told, not believed', () => {
  const bent = bend(small, (image, good) => {
    image.writeUInt16LE(77, good.lookup('a').position + compactInode.offsets.links);
  });
  using opened = openErofs(bytesSource(bent));
  assert.equal(opened.lookup('a').links, 77);
  assert.equal(opened.tree().root.entries[0]?.node.links, 1);
});

test('symlinks without a target, or with a NUL in it', () => {
  const linked = directory({ l: { ...plain, type: 'symlink', target: 'target' } as Sample });
  refuses(
    bend(linked, (image, good) => {
      image.writeUInt32LE(0, good.lookup('l').position + compactInode.offsets.size);
    }),
    'corrupt',
    /target of 0 bytes/,
  );
  refuses(
    bend(linked, (image, good) => {
      const { xattrStart } = good.lookup('l');
      assert.equal(image.toString('latin1', xattrStart, xattrStart + 6), 'target');
      image[xattrStart + 2] = 0;
    }),
    'corrupt',
    /target with a NUL/,
  );
});

test('xattrs that do not fit, come twice, or are of no namespace', () => {
  const xattrs = new Map([
    ['user.a', Buffer.from('1')],
    ['user.b', Buffer.from('2')],
  ]);
  const root = directory({ f: { ...file('x'), xattrs } as Sample });
  const change = (offset: number, value: number) =>
    bend(root, (image, good) => {
      const { xattrStart, xattrBytes } = good.lookup('f');
      assert.equal(xattrBytes, 12 + 8 + 8);
      image[xattrStart + offset] = value;
    });
  refuses(change(4, 200), 'corrupt', /200 shared xattrs/);
  refuses(change(12, 200), 'corrupt', /longer than its room/);
  refuses(change(12 + 3, 2), 'corrupt', /longer than its room/);
  refuses(change(12 + 1, 99), 'corrupt', /prefix 0x63/);
  refuses(change(12 + 1, 0x80), 'corrupt', /prefix 0x80/);
  refuses(change(12 + 4, 0x62), 'corrupt', /twice/);
  refuses(change(12 + 4, 0), 'corrupt', /NUL/);
  const shared = bend(
    directory({ f: { ...file('x'), xattrs } as Sample, g: { ...file('y'), xattrs } as Sample }),
    (image, good) => {
      const { xattrStart } = good.lookup('f');
      assert.equal(image[xattrStart + 4], 2);
      image.writeUInt32LE(0xffffffff, xattrStart + 12);
    },
  );
  refuses(shared, 'corrupt', /xattr/);
});

test('data that lies elsewhere than in the image', () => {
  const root = directory({ f: file(Buffer.alloc(9000, 'x')) });
  const place = (image: Buffer, good: ErofsImage) =>
    image.writeUInt32LE(0xfffffff0, good.lookup('f').position + compactInode.offsets.place);
  refuses(bend(root, place, { storage: () => 'plain' }), 'corrupt', /data.*ends at/);
  refuses(bend(root, place), 'corrupt', /data.*ends at/);
  const table = (image: Buffer, good: ErofsImage, to: number) => {
    const found = good.lookup('f');
    assert.ok(found.type === 'file' && found.content.kind === 'chunk table');
    image.writeUInt32LE(to, found.content.position + (found.content.hasDevices ? 4 : 0));
  };
  const chunked: BuildOptions = { storage: () => 'chunked' };
  refuses(
    bend(root, (image, good) => table(image, good, 0xfffffffe), chunked),
    'corrupt',
    /data.*ends at/,
  );
});

test('files larger than what the image could say of them', () => {
  const root = directory({
    f: { ...file(Buffer.alloc(9000, 'x')), mtime: { seconds: 5, nanoseconds: 5 } } as Sample,
    g: file('x'),
  });
  for (const storage of ['plain', 'inline', 'chunked', 'zstd', 'lz4'] as const) {
    for (const size of [2n ** 40n, 2n ** 52n, 2n ** 60n, 2n ** 64n - 1n]) {
      const bent = bend(
        root,
        (image, good) => {
          const { position, xattrStart } = good.lookup('f');
          assert.equal(xattrStart - position, extendedInode.size);
          image.writeBigUInt64LE(size, position + extendedInode.offsets.size);
        },
        { storage: () => storage },
      );
      refuses(bent, 'corrupt', /./);
    }
  }
});

test('compressed extents that cannot be', () => {
  const random = createRandom(1);
  const bytes = Buffer.from(Array.from({ length: 300_000 }, () => random.integer(16)));
  const root = directory({ f: file(bytes) });
  const change = (with_: (image: Buffer, table: number) => void) =>
    bend(
      root,
      (image, good) => {
        const found = good.lookup('f');
        assert.ok(found.type === 'file' && found.content.kind === 'clusters' && !found.content.isCompact);
        with_(image, found.content.position);
      },
      { storage: () => 'zstd', extentBytes: 65536 },
    );
  const first = 16;
  refuses(
    change((image, table) => image.writeUInt8(0x07, table + 6)),
    'unsupported',
    /algorithm number 7/,
  );
  refuses(
    change((image, table) => image.writeUInt16LE(2, table + first)),
    'corrupt',
    /no first extent/,
  );
  refuses(
    change((image, table) => image.writeUInt16LE(9, table + first + 2)),
    'corrupt',
    /begins at byte 9/,
  );
  refuses(
    change((image, table) => image.writeUInt16LE(5000, table + first + 2)),
    'corrupt',
    /offset 5000/,
  );
  refuses(
    change((image, table) => image.writeUInt32LE(0xffffff00, table + first + 4)),
    'corrupt',
    /data.*ends at/,
  );
  refuses(
    change((image, table) => image.writeUInt32LE(0, table + first + 4)),
    'corrupt',
    /data/,
  );
  // A count of blocks: none, and more than there may be.
  refuses(
    change((image, table) => image.writeUInt16LE(0x800, table + first + 8 + 4)),
    'corrupt',
    /0 stored/,
  );
  refuses(
    change((image, table) => image.writeUInt16LE(0xfff, table + first + 8 + 4)),
    'corrupt',
    /stored bytes/,
  );
  // Without big clusters no extent has a count.
  refuses(
    change((image, table) => image.writeUInt16LE(0, table + 4)),
    'corrupt',
    /count of blocks/,
  );
  // All is in the packed inode, of which there is none; or the tail is behind the indexes.
  refuses(
    change((image, table) => image.writeUInt8(0x80, table + 7)),
    'corrupt',
    /no packed inode|2\^53/,
  );
  refuses(
    change((image, table) => image.writeUInt8(0x20 + 2, table + 4)),
    'corrupt',
    /no packed inode/,
  );
  refuses(
    change((image, table) => image.writeUInt8(0x08 + 2, table + 4)),
    'corrupt',
    /0 stored bytes/,
  );
});

test('an extent that would take more than 12 MiB is refused before it is decoded', () => {
  const root = directory({ f: file(Buffer.alloc(14 * 1024 * 1024)) });
  const bent = bend(
    root,
    (image, good) => {
      const found = good.lookup('f');
      assert.ok(found.type === 'file' && found.content.kind === 'clusters');
      const table = found.content.position;
      for (let cluster = 2; cluster < 3584; cluster++) image.writeUInt16LE(2, table + 16 + cluster * 8);
      for (let cluster = 2; cluster < 3584; cluster++) image.writeUInt32LE(1, table + 16 + cluster * 8 + 4);
    },
    { storage: () => 'zstd', extentBytes: 65536 },
  );
  refuses(bent, 'corrupt', /an extent of 14680064 bytes/);
});

test('data that does not decompress', () => {
  const bytes = Buffer.alloc(300_000, 'compressible data, but not of one letter ');
  for (const algorithm of ['lz4', 'deflate', 'zstd'] as const) {
    const bent = bend(
      directory({ f: file(bytes) }),
      (image, good) => {
        const found = good.lookup('f');
        assert.ok(found.type === 'file');
        const [extent] = good.clusters(found);
        assert.ok(extent?.kind === 'stored');
        image.fill(0xfe, extent.position, extent.position + extent.stored);
      },
      { storage: () => algorithm, extentBytes: 65536 },
    );
    refuses(bent, 'corrupt', /data, at byte \d+: an extent of \d+ bytes does not decompress to 65536/);
    const zeros = bend(
      directory({ f: file(bytes) }),
      (image, good) => {
        const found = good.lookup('f');
        assert.ok(found.type === 'file');
        const [extent] = good.clusters(found);
        assert.ok(extent?.kind === 'stored');
        image.fill(0, extent.position, extent.position + extent.stored);
      },
      { storage: () => algorithm, extentBytes: 65536 },
    );
    refuses(zeros, 'corrupt', /block of zeros/);
  }
});
