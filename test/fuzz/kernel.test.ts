/** Whatever the bytes, reading a package, a kernel or a module gives a result or a typed error, soon. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ShaleError } from '../../src/error/index.ts';
import { readAr } from '../../src/kernel/ar.ts';
import { extractVmlinux } from '../../src/kernel/bz-image.ts';
import { readDeb } from '../../src/kernel/deb.ts';
import { imageRelease } from '../../src/kernel/image.ts';
import { readModuleInfo } from '../../src/kernel/modinfo.ts';
import { stripModule } from '../../src/kernel/strip.ts';
import { createScratch } from '../host/scratch.ts';
import { makeAr, makeBzImage, makeModule, makeTar, makeVmlinux, release } from '../kernel/fixture.ts';
import { createRandom, type Random, readSeed } from '../model/random.ts';

/** A few bytes changed, with a liking for the extremes; sometimes the end cut off. */
function damage(bytes: Uint8Array, random: Random, within = bytes.length): Buffer {
  const changed = Buffer.from(bytes);
  for (let count = 1 + random.integer(4); count > 0; count--) {
    const at = random.integer(Math.min(within, changed.length));
    const kind = random.integer(4);
    changed[at] = kind === 0 ? 0xff : kind === 1 ? 0 : random.integer(256);
    if (kind === 3) changed.subarray(at, at + 8).fill(0xff);
  }
  return random.integer(8) === 0 ? changed.subarray(0, random.integer(changed.length)) : changed;
}

async function tolerate(read: () => unknown): Promise<void> {
  const start = performance.now();
  try {
    await read();
  } catch (error) {
    if (!(error instanceof ShaleError) || error.code === 'internal') throw error;
  }
  assert.ok(performance.now() - start < 5000, 'it takes too long');
}

async function* pieces(bytes: Uint8Array, random: Random) {
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + random.integer(3000);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const control = Buffer.from('Package: linux-image-x\nVersion: 1\nArchitecture: amd64\n');
const deb = makeAr([
  ['debian-binary', Buffer.from('2.0\n')],
  ['control.tar.gz', gzipSync(makeTar([['./control', control]]))],
  [
    'data.tar',
    makeTar([
      ['./boot/vmlinuz-1', Buffer.alloc(1000, 1)],
      ['./x', Buffer.alloc(3)],
    ]),
  ],
]);

test('damaged packages', async t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  const random = createRandom(seed);
  for (let round = 0; round < 1500; round++) {
    const bytes = damage(deb, random);
    await tolerate(async () => {
      for await (const member of readAr(pieces(bytes, random))) {
        if (random.integer(2) === 0) continue;
        for await (const _ of member.body()) if (random.integer(3) === 0) break;
      }
    });
    await tolerate(async () => {
      for await (const entry of readDeb(pieces(bytes, random), () => {})) {
        for await (const _ of entry.body());
      }
    });
  }
});

test('damaged kernels', async t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  const random = createRandom(seed);
  using scratch = createScratch();
  const vmlinux = makeVmlinux(release);
  const images = [makeBzImage(vmlinux, 'gzip'), makeBzImage(vmlinux, 'zstd')];
  for (let round = 0; round < 400; round++) {
    const image = images[round % images.length]!;
    // Mostly the setup header, which is the smaller part.
    const bytes = damage(image, random, round % 4 === 0 ? image.length : 0x600);
    await tolerate(() => {
      for (const _ of extractVmlinux(bytes));
    });
    writeFileSync(scratch.at('image'), bytes);
    await tolerate(() => imageRelease(scratch.at('image')));
    writeFileSync(scratch.at('vmlinux'), damage(vmlinux, random, 200));
    await tolerate(() => imageRelease(scratch.at('vmlinux')));
  }
});

test('damaged modules', async t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  const random = createRandom(seed);
  const module = makeModule({ name: 'a', depends: 'b,c', softdep: 'pre: d', alias: 'e', signed: true });
  for (let round = 0; round < 4000; round++) {
    const bytes = damage(module, random);
    await tolerate(() => readModuleInfo(bytes));
    await tolerate(() => stripModule(bytes));
  }
});
