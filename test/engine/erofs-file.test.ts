/** Images whose files' contents lie in other files, as the layers of a stack do. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { cat, list } from '../../src/engine/index.ts';
import { superblockChecksum } from '../../src/erofs/checksum.ts';
import { buildErofs } from '../erofs/built-image.ts';
import { shaleError } from '../oci/throws.ts';
import { directory, file } from '../squashfs/sample.ts';
import { Scratch } from './scratch.ts';

const bytes = Buffer.alloc(3 * 4096 + 5, 'on the device, ');
const root = directory({ etc: directory({ empty: file(), first: file('inside'), passwd: file(bytes) }) });

async function collect<T>(from: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of from) all.push(each);
  return all;
}

const read = async (place: string) => Buffer.concat(await collect(cat(place, 'etc/passwd')));

function prepare(scratch: Scratch, name: string) {
  // The builder puts the first file onto the image, the second onto the device; its tag is device-1.
  const { image, devices } = buildErofs(root, { storage: () => 'device', deviceCount: 1 });
  const place = scratch.file(name);
  writeFileSync(place, image);
  return { place, device: devices[0]! };
}

test('a device is found by its tag: beside the image, in layers/ below or beside', async () => {
  for (const where of ['', 'layers/', '../layers/']) {
    for (const extension of ['tar', 'erofs']) {
      using scratch = new Scratch();
      mkdirSync(scratch.file('stack'));
      const { place, device } = prepare(scratch, 'stack/merged.erofs');
      mkdirSync(scratch.file(`stack/${where}`), { recursive: true });
      writeFileSync(scratch.file(`stack/${where}device-1.${extension}`), device);
      assert.deepEqual(await read(place), bytes, where);
      symlinkSync('stack/merged.erofs', scratch.file('link.erofs'));
      assert.deepEqual(await read(scratch.file('link.erofs')), bytes, where);
    }
  }
});

test('the index of a tar, called as its device is but for the end, is not taken for it', async () => {
  using scratch = new Scratch();
  const { place, device } = prepare(scratch, 'device-1.erofs');
  writeFileSync(scratch.file('device-1.tar'), device);
  assert.deepEqual(await read(place), bytes);
});

test('without its device an image is listed, and a content says what it needs', async () => {
  using scratch = new Scratch();
  const { place, device } = prepare(scratch, 'merged.erofs');
  const paths = (await collect(list(place, { recursive: true }))).map(({ path }) => path);
  assert.deepEqual(paths, ['etc', 'etc/empty', 'etc/first', 'etc/passwd']);
  await assert.rejects(
    read(place),
    shaleError('not-found', /merged\.erofs needs its device 1, tagged device-1/),
  );
  // What has its name and is shorter is not what the image was made over; what is longer may have a hash tree.
  writeFileSync(scratch.file('device-1.tar'), device.subarray(0, device.length - 4096));
  await assert.rejects(read(place), shaleError('not-found', /device-1/));
  writeFileSync(scratch.file('device-1.tar'), Buffer.concat([device, Buffer.alloc(4096)]));
  assert.deepEqual(await read(place), bytes);
  renameSync(scratch.file('device-1.tar'), scratch.file('device-1'));
  mkdirSync(scratch.file('device-1.tar'));
  await assert.rejects(read(place), shaleError('not-found', /device-1/));
});

test('a tag that is a path leads nowhere', async () => {
  using scratch = new Scratch();
  mkdirSync(scratch.file('stack'));
  const { place, device } = prepare(scratch, 'stack/merged.erofs');
  const image = readFileSync(place);
  const slot = image.indexOf('device-1');
  image.fill(0, slot, slot + 8).write('../evil', slot);
  image.writeUInt32LE(superblockChecksum(image.subarray(1024, 4096)), 1028);
  writeFileSync(place, image);
  writeFileSync(scratch.file('evil.tar'), device);
  await assert.rejects(read(place), shaleError('not-found', /tagged \.\.\/evil/));
});
