/** Broken archives of every kind: a result or a TarError, the same however they are cut, and soon. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TarError } from '../../src/tar/index.ts';
import { createRandom, type Random, readSeed } from '../model/random.ts';
import { archive, base256, block, entry, gnuMagic, padded, parse, pax } from '../tar/archive.ts';

const octal = (value: number) => `${value.toString(8).padStart(11, '0')}\0`;

/** Every kind of header that there is, so that a mutation can hit each. */
const valid = archive(
  pax(
    [
      ['comment', 'global'],
      ['mtime', '5'],
    ],
    'g',
  ),
  entry({ name: 'file', prefix: 'dir' }, 'content of a file'),
  pax([
    ['path', 'long/path'],
    ['size', '600'],
    ['mtime', '-1.5'],
    ['SCHILY.xattr.user.a', 'value'],
    ['LIBARCHIVE.xattr.user.b%3D', 'dmFsdWU'],
  ]),
  entry({ uid: base256(5n, 8) }, Buffer.alloc(600, 'x')),
  entry({ flag: 'L', magic: gnuMagic }, `${'n'.repeat(600)}\0`),
  entry({ flag: 'K', magic: gnuMagic }, 'target\0'),
  block({ flag: '2', magic: gnuMagic }),
  entry(
    {
      flag: 'S',
      magic: gnuMagic,
      raw: { 386: octal(10) + octal(5) + octal(100) + octal(0), 483: octal(100) },
    },
    'hello',
  ),
  Buffer.concat([
    block({
      flag: 'S',
      magic: gnuMagic,
      size: 6,
      raw: { 386: [1, 3, 5, 7].map(at => octal(at) + octal(1)).join(''), 482: '\x01', 483: octal(50) },
    }),
    Buffer.from((octal(20) + octal(2)).padEnd(512, '\0'), 'latin1'),
    padded('abcdef'),
  ]),
  pax([
    ['GNU.sparse.size', '50'],
    ['GNU.sparse.numblocks', '2'],
    ['GNU.sparse.map', '10,2,20,3'],
  ]),
  entry({}, 'hello'),
  pax([
    ['GNU.sparse.size', '50'],
    ['GNU.sparse.offset', '40'],
    ['GNU.sparse.numbytes', '5'],
  ]),
  entry({}, 'hello'),
  pax([
    ['GNU.sparse.major', '1'],
    ['GNU.sparse.minor', '0'],
    ['GNU.sparse.name', 'n'],
    ['GNU.sparse.realsize', '99'],
  ]),
  entry({}, Buffer.concat([padded('2\n5\n2\n90\n3\n'), Buffer.from('hello')])),
  block({ flag: '3', devmajor: 1, devminor: 3 }),
  block({ name: 'dir/', flag: '5', size: 512 }),
);

const limits = { paxBytes: 4096, sparseSegments: 100 };

function mutate(random: Random): Buffer {
  const { integer, chance, pick } = random;
  let bytes = Buffer.from(valid);
  for (let count = 1 + integer(3); count > 0; count -= 1) {
    const at = integer(bytes.length);
    const blockAt = at - (at % 512);
    switch (integer(7)) {
      case 0:
        bytes[at] = integer(256);
        break;
      case 1:
        bytes[blockAt + pick([100, 108, 116, 124, 136, 156, 257, 329, 386, 482, 483])] = pick([
          0, 0x30, 0x37, 0x80, 0xff,
        ]);
        break;
      case 2:
        bytes.write(
          pick(['9', '=', '\n', ' ', '\0', '-', '.', '%', ',', '99999999999999999999']),
          at,
          'latin1',
        );
        break;
      case 3:
        bytes = bytes.subarray(0, at);
        break;
      case 4:
        bytes = Buffer.concat([
          bytes.subarray(0, blockAt),
          bytes.subarray(Math.min(bytes.length, blockAt + 512 * (1 + integer(3)))),
        ]);
        break;
      case 5:
        bytes = Buffer.concat([
          bytes.subarray(0, blockAt),
          valid.subarray(0, 512 * integer(20)),
          bytes.subarray(blockAt),
        ]);
        break;
      case 6:
        base256(pick([-1n, 2n ** 31n, 2n ** 33n, 2n ** 53n - 1n, 2n ** 63n]), 12).copy(
          bytes,
          blockAt + pick([124, 136, 386, 398, 483]),
        );
        break;
    }
    if (bytes.length === 0) return bytes;
  }
  // Without true checksums nothing behind them would ever be reached.
  if (chance(0.9)) for (let at = 0; at + 512 <= bytes.length; at += 512) seal(bytes.subarray(at, at + 512));
  return bytes;
}

function seal(header: Buffer): void {
  if (!/^ustar/.test(header.toString('latin1', 257, 262))) return;
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

function outcome(bytes: Buffer, size: number): unknown {
  try {
    return parse(bytes, size, limits);
  } catch (error) {
    if (!(error instanceof TarError)) throw error;
    assert.equal(typeof error.detail.offset, 'number');
    return { code: error.code, message: error.message, detail: error.detail };
  }
}

test('mutated archives', () => {
  const seed = readSeed();
  const random = createRandom(seed);
  const codes = new Map<string, number>();
  for (let round = 0; round < 3000; round += 1) {
    const where = `SEED=${seed}, round ${round}`;
    const bytes = mutate(random);
    let whole: unknown;
    try {
      whole = outcome(bytes, Math.max(1, bytes.length));
      assert.deepEqual(outcome(bytes, random.pick([7, 511, 512, 513, 1024])), whole);
    } catch (error) {
      throw new Error(where, { cause: error });
    }
    const code = (whole as { code?: string }).code ?? 'accepted';
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  // The fuzzer is of use only as long as it gets past the first header and fails in many ways.
  for (const code of ['accepted', 'corrupt', 'invalid', 'exhausted']) {
    assert.ok((codes.get(code) ?? 0) > 10, `SEED=${seed}: ${JSON.stringify([...codes])}`);
  }
});

test('noise', () => {
  const seed = readSeed();
  const { integer } = createRandom(seed);
  for (let round = 0; round < 200; round += 1) {
    const bytes = Buffer.from(Array.from({ length: integer(3000) }, () => integer(256)));
    assert.deepEqual(outcome(bytes, 100), outcome(bytes, 5000), `SEED=${seed}, round ${round}`);
  }
});
