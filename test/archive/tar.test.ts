import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { openImage } from '../../src/archive/index.ts';
import { shaleError } from '../oci/throws.ts';
import { Files, host, member, openArchive, paxRecord, sha256, temporary } from './fixture.ts';

const end = Buffer.alloc(1024);

/** A docker archive whose one layer holds `data`, under a name that `layer` makes a member of. */
function archive(name: string, layer: Buffer, data = 'data'): Buffer {
  const files = new Files();
  const config = JSON.stringify({ rootfs: { diff_ids: [`sha256:${sha256(data)}`] } });
  files.put('c', config).put('manifest.json', [{ Config: 'c', RepoTags: null, Layers: [name] }]);
  return Buffer.concat([layer, files.tar()]);
}

async function layerOf(bytes: Buffer): Promise<string> {
  const blob = await (await openArchive('docker-archive', bytes)).layers[0]!.locate();
  return bytes.toString('utf8', blob.offset, blob.offset + blob.size);
}

const long = `${'long/'.repeat(30)}layer.tar`;
const pax = (...records: string[]) => member('PaxHeaders/x', records.join(''), { type: 'x' });

test('names and sizes from pax and GNU headers', async () => {
  const good: readonly (readonly [string, Buffer])[] = [
    [long, Buffer.concat([pax(paxRecord('path', long)), member('short', 'data')])],
    [long, Buffer.concat([member('././@LongLink', `${long}\0`, { type: 'L' }), member('short', 'data')])],
    [
      long,
      Buffer.concat([pax(paxRecord('path', 'wrong'), paxRecord('path', long)), member('short', 'data')]),
    ],
    [
      long,
      Buffer.concat([
        pax(paxRecord('path', long)),
        member('L', 'of GNU\0', { type: 'L' }),
        member('short', 'data'),
      ]),
    ],
    ['ünï', Buffer.concat([pax(paxRecord('path', 'ünï')), member('short', 'data')])],
    ['x', Buffer.concat([pax(paxRecord('size', '4')), member('x', 'data', { size: 0 })])],
    ['x', Buffer.concat([pax(paxRecord('mtime', '1.5')), member('./x', 'data')])],
    ['x', Buffer.concat([member('g', paxRecord('comment', 'c'), { type: 'g' }), member('x', 'data')])],
    ['x', member('x', 'data', { type: '\0' })],
    ['x', member('x', 'data', { type: '7' })],
    ['x', Buffer.concat([member('x', 'old'), member('x', 'data')])],
    [
      'l',
      Buffer.concat([
        member('x', 'data'),
        pax(paxRecord('linkpath', 'x')),
        member('l', '', { type: '2', link: 'y' }),
      ]),
    ],
    [
      'l',
      Buffer.concat([
        member('x', 'data'),
        member('k', 'x\0', { type: 'K' }),
        member('l', '', { type: '1', link: 'y' }),
      ]),
    ],
  ];
  for (const [name, layer] of good) assert.equal(await layerOf(archive(name, layer)), 'data', name);
});

test('a prefix and a base-256 size', async () => {
  const bytes = member('layer.tar', 'data');
  bytes.write('some/prefix', 345);
  bytes.fill(0, 124, 136);
  bytes[124] = 0x80;
  bytes[135] = 4;
  bytes.write('        ', 148);
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  assert.equal(await layerOf(archive('some/prefix/layer.tar', bytes)), 'data');
});

test('a checksum over signed bytes, as old tars of some systems wrote it', async () => {
  const bytes = member('ü', 'data');
  bytes.write('        ', 148);
  const sum = new Int8Array(bytes.subarray(0, 512)).reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  assert.equal(await layerOf(archive('ü', bytes)), 'data');
});

test('an archive without its end blocks, or its last padding, is whole', async () => {
  const files = new Files();
  files.layout(files.image(['layer']));
  const whole = files.tar().subarray(0, -1024);
  await openArchive('oci-archive', whole);
  const last = [...files.map.values()].at(-1)!.length;
  const unpadded = whole.subarray(0, whole.length - ((512 - (last % 512)) % 512));
  await openArchive('oci-archive', unpadded);
  await assert.rejects(openArchive('oci-archive', unpadded.subarray(0, -1)), shaleError('corrupt', /cut/));
  for (let cut = 1; cut < unpadded.length; cut += 97) {
    await assert.rejects(openArchive('oci-archive', whole.subarray(0, cut)), (error: Error) => {
      return ['ArchiveError', 'ContentError', 'OciError'].includes(error.name);
    });
  }
});

test('sparse members are not supported, but what follows them is found', async () => {
  const sparse = member('s', 'data', { type: 'S' });
  const extended = member('s', '', { type: 'S', size: 4 });
  extended[482] = 1;
  extended.write('        ', 148);
  const sum = extended.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  extended.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const more = Buffer.alloc(512);
  more[504] = 1;
  const continued = Buffer.concat([extended, more, Buffer.alloc(512), member('', 'data').subarray(512)]);
  const posix = Buffer.concat([
    pax(paxRecord('GNU.sparse.major', '1'), paxRecord('GNU.sparse.name', 's')),
    member('GNUSparseFile.0/s', 'data'),
  ]);
  for (const layer of [sparse, continued, posix]) {
    await assert.rejects(layerOf(archive('s', layer)), shaleError('unsupported', /s is a sparse file/));
    assert.equal(await layerOf(archive('x', Buffer.concat([layer, member('x', 'data')]))), 'data');
  }
});

test('compressed archives say how to decompress them', async () => {
  const tar = archive('x', member('x', 'data'));
  const compressed = {
    gzip: gzipSync(tar),
    zstd: zstdCompressSync(tar),
    xz: Buffer.from('fd377a585a000004e6d6b446', 'hex'),
    bzip2: Buffer.from('BZh91AY&SY'),
  };
  for (const [name, bytes] of Object.entries(compressed)) {
    const pattern = new RegExp(`compressed with ${name}.*${name} -dc .*image\\.tar`);
    await assert.rejects(openArchive('docker-archive', bytes), shaleError('unsupported', pattern));
  }
});

test('what is no tar', async () => {
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from('x'),
    Buffer.alloc(10_240),
    Buffer.alloc(512, 'x'),
    Buffer.from('{}'),
  ]) {
    await assert.rejects(openArchive('oci-archive', bytes), shaleError('invalid', /not a tar archive/));
  }
});

test('damaged headers are found', async () => {
  const good = member('x', 'data');
  const flipped = Buffer.from(good);
  flipped[0]! ^= 1;
  const broken: readonly (readonly [Buffer, Parameters<typeof shaleError>])[] = [
    [Buffer.concat([good, Buffer.alloc(512, 7)]), ['corrupt', /at byte 1024: .*checksum/]],
    [Buffer.concat([good, flipped]), ['corrupt', /at byte 1024: .*checksum/]],
    [Buffer.concat([good, Buffer.alloc(100)]), ['corrupt', /cut/]],
    [Buffer.concat([good, member('y', '', { size: 2 ** 30 }), end]), ['corrupt', /cut/]],
    [Buffer.concat([good, pax('99 path=x\n'), good, end]), ['corrupt', /malformed pax/]],
    [Buffer.concat([good, pax('path=x\n'), good, end]), ['corrupt', /malformed pax/]],
    [Buffer.concat([good, pax('0 path=x\n'), good, end]), ['corrupt', /malformed pax/]],
    [Buffer.concat([good, pax(paxRecord('size', '-1')), good, end]), ['corrupt', /no number/]],
    [Buffer.concat([good, pax(paxRecord('size', '9'.repeat(15))), good, end]), ['corrupt', /cut/]],
    [Buffer.concat([good, pax(paxRecord('path', 'x')), end]), ['corrupt', /cut/]],
    [
      Buffer.concat([good, member('x', Buffer.alloc(2 ** 20 + 1), { type: 'x' }), end]),
      ['exhausted', /1048576/],
    ],
  ];
  for (const [bytes, [code, pattern]] of broken) {
    await assert.rejects(openArchive('docker-archive', bytes), shaleError(code, pattern));
  }
});

test('what lies between the headers is not read: an archive of 1 TiB opens at once', {
  timeout: 10_000,
}, async () => {
  await using directory = await temporary();
  const tebibyte = 2 ** 40;
  const files = new Files();
  const config = JSON.stringify({ rootfs: { diff_ids: [`sha256:${sha256('')}`] } });
  files.put('c', config).put('manifest.json', [{ Config: 'c', RepoTags: null, Layers: ['big'] }]);
  const file = await open(directory.file('big.tar'), 'w');
  const head = Buffer.concat([pax(paxRecord('size', String(tebibyte))), member('big', '')]);
  await file.write(head, 0, head.length, 0);
  const tail = files.tar();
  try {
    await file.write(tail, 0, tail.length, head.length + tebibyte);
  } finally {
    await file.close();
  }
  const image = await openImage(`docker-archive:${directory.file('big.tar')}`, { host });
  assert.equal(image.layers[0]?.size, tebibyte);
  assert.equal((await image.layers[0]?.locate())?.offset, head.length);
});

test('an archive of a whole root filesystem is refused before it fills the memory', async () => {
  const names = Array.from({ length: 3000 }, (_, index) =>
    Buffer.concat([pax(paxRecord('path', `${index}/${'n'.repeat(15_000)}`)), member('x')]),
  );
  await assert.rejects(
    openArchive('oci-archive', Buffer.concat([...names, end])),
    shaleError('exhausted', /far more members/),
  );
});

test('no file stays open', { skip: !existsSync('/proc/self/fd') && 'needs /proc' }, async () => {
  await using directory = await temporary();
  await writeFile(directory.file('a.tar'), archive('x', member('x', 'data')));
  const count = () => readdirSync('/proc/self/fd').length;
  const before = count();
  for (let round = 0; round < 3; round++) {
    await openImage(`docker-archive:${directory.file('a.tar')}`, { host });
    await assert.rejects(openImage(`oci-archive:${directory.file('a.tar')}`, { host }));
  }
  assert.equal(count(), before);
});
