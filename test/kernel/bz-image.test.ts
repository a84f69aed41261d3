import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { extractVmlinux, readBzImage } from '../../src/kernel/bz-image.ts';
import { elfMachine } from '../../src/kernel/elf.ts';
import { createScratch } from '../host/scratch.ts';
import { requires } from '../requirement.ts';
import { makeBzImage, makeVmlinux, type Packing, release } from './fixture.ts';

const vmlinux = makeVmlinux(release);

function extract(bytes: Uint8Array): Buffer {
  const pieces: Buffer[] = [];
  for (const piece of extractVmlinux(bytes)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

const packings: readonly Packing[] = ['gzip', 'zstd', 'xz', 'lz4', 'bzip2'];
for (const packing of packings) {
  const tools = packing === 'gzip' || packing === 'zstd' ? [] : [packing];
  test(`the kernel in a bzImage that is packed with ${packing}`, { skip: requires({ tools }) }, () => {
    const image = makeBzImage(vmlinux, packing);
    assert.equal(readBzImage(image).release, release);
    assert.ok(extract(image).equals(vmlinux));
  });
}

test('what is wrong with a kernel image is said', { skip: requires({ tools: ['xz'] }) }, () => {
  const good = makeBzImage(vmlinux, 'gzip');
  const with32 = (offset: number, value: number) => {
    const image = Buffer.from(good);
    image.writeUInt32LE(value, offset);
    return image;
  };
  const cases: readonly (readonly [Buffer, string, RegExp])[] = [
    [Buffer.alloc(1000), 'invalid', /no setup header/],
    [vmlinux, 'invalid', /no setup header/],
    [makeBzImage(vmlinux, 'gzip', { loadFlags: 0 }), 'unsupported', /32 bits/],
    [makeBzImage(vmlinux, 'gzip', { version: 0x0207 }), 'unsupported', /older/],
    [makeBzImage(vmlinux, 'lzma'), 'unsupported', /lzma/],
    [makeBzImage(Buffer.from('not an ELF file'), 'gzip'), 'corrupt', /no ELF file/],
    [makeBzImage(vmlinux, 'gzip', { banner: '../../etc' }), 'corrupt', /version/],
    [good.subarray(0, 2000), 'corrupt', /beyond its end/],
    [with32(0x24c, 0xffffffff), 'corrupt', /beyond its end/],
    [with32(0x248, 0xffffffff), 'corrupt', /beyond its end/],
  ];
  for (const [bytes, code, message] of cases) {
    assert.throws(() => extract(bytes), { name: 'KernelError', code, message });
  }
  const other = makeBzImage(vmlinux, 'zstd');
  other.writeUInt32LE(1000, 3 * 512 + 77 + readBzImage(other).payload.length - 4);
  assert.throws(() => extract(other), { code: 'corrupt', message: /another length/ });
});

/** Debian's, out of the package that CI has; otherwise this system's own. */
const given = process.env.SHALE_TEST_KERNEL;
const own = globSync('/boot/vmlinuz-*')[0];
const skip = given === undefined && own === undefined && 'no SHALE_TEST_KERNEL, and none in /boot';
test('a real kernel', { skip }, () => {
  using scratch = createScratch();
  if (given !== undefined) execFileSync('dpkg-deb', ['--extract', given, scratch.path]);
  const file = given === undefined ? own! : globSync(scratch.at('boot/vmlinuz-*'))[0]!;
  const image = readFileSync(file);
  assert.equal(readBzImage(image).release, path.basename(file).slice('vmlinuz-'.length));
  assert.equal(elfMachine(extract(image)), 'amd64');
});
