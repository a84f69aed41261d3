import type { Devices } from './devices.ts';
import { format, readSuperblock } from './filesystem.ts';
import type { ThinPool } from './pool.ts';
import { type Base, type PoolRecord, writeRecord } from './record.ts';
import type { DevmapperSettings } from './settings.ts';

/** The number of the device that has an empty filesystem: no snapshot has it. */
export const baseDevice = 0;

export interface BaseOptions {
  readonly pool: ThinPool;
  readonly devices: Devices;
  readonly record: PoolRecord;
  /** Path of the record. */
  readonly path: string;
  readonly settings: DevmapperSettings;
  /** A directory to mount in for a moment. */
  readonly scratch: string;
}

/**
 * Sees to it that there is the empty filesystem that snapshots without a parent begin as, so that these are made as fast as others, and take
 * nothing. What was made with other settings goes; what was made of it stays as it is. The caller has the lock.
 */
export async function makeBase(options: BaseOptions): Promise<Base> {
  const { pool, devices, record, path, settings, scratch } = options;
  const { type, baseSize: size } = settings;
  if (record.base?.type === type && record.base.size === size) return record.base;
  writeRecord(path, { ...record, base: undefined });
  await devices.deactivate(baseDevice);
  await pool.deleteDevice(baseDevice);
  await pool.requireSpace();
  await pool.createDevice(baseDevice);
  try {
    const device = await devices.activate(baseDevice);
    await format(device, { type, bytes: size, zeroed: pool.zeroes, scratch });
    await devices.flush(baseDevice);
    const base = { type, size, inodes: readSuperblock(device).inodes };
    await devices.deactivate(baseDevice);
    writeRecord(path, { ...record, base });
    return base;
  } catch (error) {
    // It may be what fills the pool. Why it failed is what counts; the next one to open the pool tries again.
    await devices.deactivate(baseDevice).catch(() => {});
    await pool.deleteDevice(baseDevice).catch(() => {});
    throw error;
  }
}
