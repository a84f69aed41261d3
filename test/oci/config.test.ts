import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig, parseTime } from '../../src/oci/index.ts';
import { shaleError } from './throws.ts';

const diffId = `sha256:${'cd'.repeat(32)}`;
const base = { os: 'linux', architecture: 'arm', rootfs: { type: 'layers', diff_ids: [diffId] } };
const parse = (value: unknown) => parseConfig(Buffer.from(JSON.stringify(value)));

test('a config is read, unknown fields are kept', () => {
  const config = parse({
    ...base,
    created: '2018-12-28T20:44:36.5Z',
    config: { Env: ['A=b'], Cmd: ['sh'] },
    history: [
      { created_by: 'ADD x', empty_layer: true },
      { created: '1970-01-01T00:00:01Z', comment: 'c' },
    ],
    'moby.buildkit': 1,
  });
  assert.deepEqual(config.created, { seconds: 1546029876, nanoseconds: 500_000_000 });
  assert.equal(config.platform?.variant, 'v7');
  assert.deepEqual(config.diffIds, [diffId]);
  assert.equal(config.history[0]?.createdBy, 'ADD x');
  assert.equal(config.history[0]?.emptyLayer, true);
  assert.equal(config.history[1]?.emptyLayer, false);
  assert.equal(config.history[1]?.created?.seconds, 1);
  assert.deepEqual(config.execution, { Env: ['A=b'], Cmd: ['sh'] });
  assert.equal(config.fields['moby.buildkit'], 1);
});

test('what may be missing', () => {
  const config = parse({ rootfs: { diff_ids: null }, created: null, history: null, config: null });
  assert.equal(config.created, undefined);
  assert.equal(config.platform, undefined);
  assert.deepEqual(config.diffIds, []);
  assert.deepEqual(config.history, []);
});

test('what may not', () => {
  assert.throws(() => parse({ os: 'linux' }), shaleError('invalid', /no rootfs/));
  assert.throws(
    () => parse({ rootfs: { diff_ids: ['x'] } }),
    shaleError('invalid', /config\.rootfs\.diff_ids/),
  );
  assert.throws(
    () => parse({ rootfs: { diff_ids: [1] } }),
    shaleError('invalid', /diff_ids\[0\] is not a string/),
  );
  assert.throws(
    () => parse({ rootfs: { type: 'torrent', diff_ids: [] } }),
    shaleError('unsupported', /torrent/),
  );
  assert.throws(() => parse({ ...base, created: 'yesterday' }), shaleError('invalid', /config\.created/));
  assert.throws(() => parse({ ...base, created: 5 }), shaleError('invalid', /config\.created/));
  assert.throws(
    () => parse({ ...base, history: [{ created_by: 5 }] }),
    shaleError('invalid', /history\[0\]\.created_by/),
  );
});

test('times are exact to the nanosecond, in any zone', () => {
  const times: readonly (readonly [string, number, number])[] = [
    ['1970-01-01T00:00:00Z', 0, 0],
    ['2000-02-29T12:34:56.123456789Z', 951827696, 123456789],
    ['2000-02-29T12:34:56.000000001+05:30', 951807896, 1],
    ['2000-02-29t12:34:56.9999999999-08:00', 951856496, 999999999],
    ['1969-12-31T23:59:59.25Z', -1, 250000000],
    ['2016-12-31T23:59:60Z', 1483228800, 0],
    ['9999-12-31T23:59:59Z', 253402300799, 0],
  ];
  for (const [text, seconds, nanoseconds] of times)
    assert.deepEqual(parseTime(text, 'x'), { seconds, nanoseconds }, text);
  assert.equal(parseTime('0001-01-01T00:00:00Z', 'x'), undefined);
  for (const text of [
    '',
    '2000',
    '2001-02-29T00:00:00Z',
    '2000-13-01T00:00:00Z',
    '2000-01-01T24:00:00Z',
    '2000-01-01T00:00:00',
    '2000-01-01 00:00:00Z',
  ]) {
    assert.throws(() => parseTime(text, 'x'), shaleError('invalid'), text);
  }
});
