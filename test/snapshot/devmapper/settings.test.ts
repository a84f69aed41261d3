import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDevmapperSettings } from '../../../src/snapshot/driver/devmapper/settings.ts';
import { parseDelta } from '../../../src/snapshot/driver/devmapper/thin-delta.ts';

const read = (settings: Record<string, string>) => readDevmapperSettings({ root: '/r', settings });

test('what a pool is made of', () => {
  assert.deepEqual(read({}), { pool: undefined, type: 'ext4', baseSize: 10 * 2 ** 30 });
  assert.deepEqual(read({ pool: '/dev/mapper/vg-pool-tpool', fs_type: 'xfs', base_size: '1T' }), {
    pool: { kind: 'named', name: 'vg-pool-tpool' },
    type: 'xfs',
    baseSize: 2 ** 40,
  });
  assert.deepEqual(read({ data: '20G' }).pool, { kind: 'files', data: 20 * 2 ** 30, metadata: 21 * 2 ** 20 });
  assert.deepEqual(read({ data: '16M', metadata: '4M' }).pool, {
    kind: 'files',
    data: 2 ** 24,
    metadata: 2 ** 22,
  });
});

test('what is no setting, and no value of one', () => {
  for (const settings of [
    { pools: 'x' },
    { pool: '' },
    { pool: 'a b' },
    { pool: '../x' },
    { pool: '--force' },
    { pool: 'x', data: '20G' },
    { metadata: '4M' },
    { data: '20g' },
    { data: '1M' },
    { data: '-20G' },
    { data: '99999999999999999999G' },
    { fs_type: 'btrfs' },
    { base_size: '' },
  ] as Record<string, string>[]) {
    assert.throws(() => read(settings), { name: 'SnapshotError', code: 'invalid' }, JSON.stringify(settings));
  }
});

test('what a device has and an older one has not', () => {
  const of = (...runs: string[]) =>
    `<superblock uuid="" time="1" transaction="0" data_block_size="128" nr_data_blocks="0">
  <diff left="1" right="2">\n${runs.map(run => `    <${run}/>`).join('\n')}\n  </diff>\n</superblock>`;
  assert.equal(parseDelta(of()), 0);
  assert.equal(
    parseDelta(
      of(
        'different begin="0" length="1"',
        'same begin="1" length="63"',
        'left_only begin="67" length="348"',
        'right_only begin="2113" length="48"',
      ),
    ),
    49 * 128,
  );
  assert.throws(() => parseDelta('thin_delta: something else'), { code: 'internal' });
});
