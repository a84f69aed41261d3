import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { createJournal, type DiskError, readJournal } from '../../../src/zone/disk/index.ts';
import { Scratch } from '../../engine/scratch.ts';
import { createRandom, readSeed } from '../../model/random.ts';

interface Written {
  readonly time: number;
  readonly stream: number;
  readonly bytes: Buffer;
}

/** The guest's side of doc/format/zone-protocol.md, "The journal": what init does, in a few lines. */
class Journal {
  readonly bytes: Buffer;
  readonly kept: (Written & { readonly at: number })[] = [];
  begin = 0;
  end = 0;

  constructor(size: number) {
    this.bytes = Buffer.alloc(size);
    this.bytes.write('SHALEJNL', 0, 'latin1');
    this.bytes.writeUInt32LE(1, 8);
    this.bytes.writeUInt32LE(1, 12);
    this.bytes.writeBigUInt64LE(1_700_000_000_000_000_000n, 16);
  }

  get room(): number {
    return this.bytes.length - 4096;
  }

  write(record: Written): void {
    const header = Buffer.alloc(16);
    header.writeBigUInt64LE(BigInt(record.time) * 1_000_000n, 0);
    header.writeUInt32LE(record.bytes.length, 8);
    header.writeUInt8(record.stream, 12);
    const whole = Buffer.concat([header, record.bytes]);
    while (this.end + whole.length - this.begin > this.room) {
      this.begin += 16 + this.kept.shift()!.bytes.length;
    }
    for (const [index, byte] of whole.entries()) this.bytes[4096 + ((this.end + index) % this.room)] = byte;
    this.kept.push({ ...record, at: this.end });
    this.end += whole.length;
    this.bytes.writeBigUInt64LE(BigInt(this.begin), 48);
    this.bytes.writeBigUInt64LE(BigInt(this.end), 56);
  }
}

const seed = readSeed();

test('a new journal is empty', async () => {
  using scratch = new Scratch();
  await createJournal(scratch.file('journal'));
  assert.equal(statSync(scratch.file('journal')).size, 1024 * 1024);
  const report = readJournal(scratch.file('journal'));
  assert.deepEqual(report, { state: 'empty', flags: 0, records: [], begin: 0, end: 0 });
});

test('sizes that no journal has are refused', async () => {
  using scratch = new Scratch();
  for (const size of [0, 4096, 65_536, 69_633, 2 ** 40]) {
    const isRefused = (error: DiskError) => error.code === 'invalid';
    await assert.rejects(createJournal(scratch.file('journal'), size), isRefused);
  }
});

test(`the records that are kept are read back, wherever the ring begins (SEED=${seed})`, () => {
  using scratch = new Scratch();
  const random = createRandom(seed);
  for (const size of [8192, 12_288, 65_536]) {
    const journal = new Journal(size);
    let seen = 0;
    for (let count = 0; count < 60; count++) {
      const length = random.integer(Math.min(journal.room - 16, 3000));
      const bytes = Buffer.alloc(length, random.integer(256));
      journal.write({ time: 1_700_000_000_000 + count, stream: 1 + random.integer(2), bytes });
      if (random.chance(0.7)) continue;
      writeFileSync(scratch.file('journal'), journal.bytes);
      const report = readJournal(scratch.file('journal'));
      assert.equal(report.damage, undefined);
      assert.equal(report.state, 'started');
      assert.equal(report.started?.toISOString(), '2023-11-14T22:13:20.000Z');
      const expected = ({ time, stream, bytes }: Written) => [
        time,
        stream === 1 ? 'stdout' : 'stderr',
        bytes,
      ];
      const found = (records: typeof report.records) =>
        records.map(({ time, stream, bytes }) => [time.getTime(), stream, Buffer.from(bytes)]);
      assert.deepEqual(found(report.records), journal.kept.map(expected));
      // Whoever follows it gets each record once, and what is gone not at all.
      const later = readJournal(scratch.file('journal'), { from: seen });
      assert.deepEqual(found(later.records), journal.kept.filter(({ at }) => at >= seen).map(expected));
      assert.equal(later.records.at(-1)?.next ?? later.end, later.end);
      seen = later.end;
    }
  }
});

test('how it ended', () => {
  using scratch = new Scratch();
  const read = (change: (bytes: Buffer) => void) => {
    const { bytes } = new Journal(8192);
    change(bytes);
    writeFileSync(scratch.file('journal'), bytes);
    return readJournal(scratch.file('journal'));
  };
  const ended = read(bytes => {
    bytes.writeUInt32LE(2, 12);
    bytes.writeBigUInt64LE(1_700_000_001_500_000_000n, 24);
    bytes.writeUInt32LE(3, 32);
    bytes.writeUInt32LE(1, 40);
  });
  assert.equal(ended.state, 'ended');
  assert.equal(ended.status, 3);
  assert.equal(ended.signal, undefined);
  assert.equal(ended.flags, 1);
  assert.equal(ended.ended?.toISOString(), '2023-11-14T22:13:21.500Z');
  const killed = read(bytes => {
    bytes.writeUInt32LE(2, 12);
    bytes.writeUInt32LE(9, 36);
  });
  assert.deepEqual([killed.status, killed.signal], [undefined, 9]);
  const failed = read(bytes => {
    bytes.writeUInt32LE(3, 12);
    const field = (tag: number, value: Buffer) =>
      Buffer.concat([Buffer.from([tag, value.length, 0, 0, 0]), value]);
    const errno = Buffer.alloc(8);
    errno.writeUInt32LE(5, 0);
    const reason = Buffer.concat([
      field(1, Buffer.from('image')),
      field(2, errno),
      field(3, Buffer.from('mount vda')),
    ]);
    bytes.writeUInt32LE(reason.length, 64);
    reason.copy(bytes, 68);
  });
  assert.equal(failed.state, 'failed');
  assert.deepEqual(failed.failure, { what: 'image', errno: 5, text: 'mount vda' });
});

test(`whatever the guest writes, there is a report (SEED=${seed})`, () => {
  using scratch = new Scratch();
  const random = createRandom(seed);
  const path = scratch.file('journal');
  for (let round = 0; round < 400; round++) {
    const journal = new Journal(8192 + 4096 * random.integer(3));
    for (let count = random.integer(20); count > 0; count--) {
      journal.write({ time: 1, stream: 1, bytes: Buffer.alloc(random.integer(900), 0x41) });
    }
    const { bytes } = journal;
    for (let count = 1 + random.integer(8); count > 0; count--) {
      // Mostly the header and what follows it: that is where the meaning is.
      const at = random.chance(0.6) ? random.integer(120) : random.integer(bytes.length);
      bytes[at] = random.pick([0, 1, 2, 3, 0x7f, 0xff, random.integer(256)]);
    }
    const cut = random.chance(0.2) ? bytes.subarray(0, random.integer(bytes.length)) : bytes;
    writeFileSync(path, cut);
    const report = readJournal(path);
    JSON.stringify(report);
    const total = report.records.reduce((sum, record) => sum + record.bytes.length, 0);
    assert.ok(total <= cut.length, `${total} bytes out of ${cut.length}`);
  }
});

test('a journal that is not there is an error of its own', () => {
  using scratch = new Scratch();
  assert.throws(
    () => readJournal(scratch.file('none')),
    (error: DiskError) => error.code === 'not-found',
  );
});
