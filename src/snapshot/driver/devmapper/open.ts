import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { SnapshotError } from '../../error.ts';
import type { DriverOptions } from '../driver.ts';
import { makeBase } from './base.ts';
import { Devices } from './devices.ts';
import { exclusively } from './exclusion.ts';
import { openFilePool } from './file-pool.ts';
import { sectorBytes, ThinPool } from './pool.ts';
import { type Base, type PoolRecord, readRecord, writeRecord } from './record.ts';
import { type DevmapperSettings, type PoolChoice, readDevmapperSettings } from './settings.ts';

/** A pool that is ours, with what is in it. */
export interface OpenPool {
  readonly pool: ThinPool;
  readonly devices: Devices;
  readonly base: Base;
  /** Where a pool on files is; `undefined` if it is none. */
  readonly files: string | undefined;
}

/** A file of the driver's directory that is locked by who changes what processes have in common. */
export const lockFile = (root: string): string => join(root, 'lock');

/** SnapshotErrors: what is wrong with the settings, and whatever is missing. */
export async function openPool(options: DriverOptions): Promise<OpenPool> {
  const { root } = options;
  const settings = readDevmapperSettings(options);
  const { pool: choice } = settings;
  if (choice === undefined) throw noPool();
  mkdirSync(root, { recursive: true, mode: 0o700 });
  return await exclusively(lockFile(root), async () => {
    const path = join(root, 'pool.json');
    const known = readRecord(path);
    const tag = known?.tag ?? randomBytes(4).toString('hex');
    const name = choice.kind === 'named' ? choice.name : `shale-${tag}-pool`;
    if (known !== undefined && known.pool !== name) throw otherPool(root, known.pool, name);
    const files = choice.kind === 'files' ? join(root, 'pool') : undefined;
    // The name of a pool on files is in the record before the pool is there.
    let record = known ?? { pool: name, tag, largest: settings.baseSize, base: undefined };
    if (known === undefined && choice.kind === 'files') writeRecord(path, record);
    const pool = await openChosen(choice, name, root, files);
    if (known === undefined && choice.kind === 'named') await requireEmpty(pool);
    record = enlarge(record, settings);
    if (record !== known) writeRecord(path, record);
    const devices = new Devices({ pool: name, tag, sectors: record.largest / sectorBytes });
    const base = await makeBase({ pool, devices, record, path, settings, scratch: root });
    return { pool, devices, base, files };
  });
}

async function openChosen(
  choice: PoolChoice,
  name: string,
  root: string,
  files: string | undefined,
): Promise<ThinPool> {
  if (choice.kind === 'files') await openFilePool(name, files!, choice);
  return await ThinPool.open(name, join(root, 'metadata.lock'));
}

/** Numbers of devices are those of snapshots: somebody else's would be taken for ours, and removed. */
async function requireEmpty(pool: ThinPool): Promise<void> {
  const devices = await pool.devices();
  if (devices.length === 0) return;
  throw new SnapshotError(
    'conflict',
    `the thin pool ${pool.name} has ${devices.length} devices that are not Shale’s`,
    {
      detail: { pool: pool.name, devices: devices.slice(0, 100) },
      hint: 'give Shale a pool of its own',
    },
  );
}

function enlarge(record: PoolRecord, { baseSize }: DevmapperSettings): PoolRecord {
  return record.largest >= baseSize ? record : { ...record, largest: baseSize };
}

function noPool(): SnapshotError {
  return new SnapshotError('invalid', 'the driver devmapper needs a thin pool, and none is named', {
    hint: poolHint,
  });
}

export const poolHint =
  'name one of its own: --driver-option pool=NAME; or, to try it out, have one made on files: --driver-option data=20G';

function otherPool(root: string, known: string, name: string): SnapshotError {
  return new SnapshotError(
    'conflict',
    `the snapshots in ${root} are in the thin pool ${known}, not in ${name}`,
    {
      detail: { root, known, name },
      hint: `say --driver-option pool=${known}, or begin anew with another --root`,
    },
  );
}
