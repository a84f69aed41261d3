import { existsSync, readFileSync } from 'node:fs';
import { SnapshotError } from '../../error.ts';
import { runTool, type Tool } from '../tool.ts';
import { devicePath, dmsetup } from './dmsetup.ts';
import { exclusively } from './exclusion.ts';
import { parseDelta } from './thin-delta.ts';

export const thinList: Tool = { program: 'thin_ls', package: 'thin-provisioning-tools' };
const thinDelta: Tool = { program: 'thin_delta', package: 'thin-provisioning-tools' };

/** A pool names its devices with 24 bits. */
const mostDevices = 2 ** 24;
export const sectorBytes = 512;
/** Of two devices that have nothing in common, each run of blocks is a line. */
const mostDelta = 256 * 2 ** 20;

/** What a pool says of itself (device-mapper/thin-provisioning.rst of Linux, "Status"). */
interface PoolStatus {
  readonly freeBlocks: number;
  readonly mode: string;
  readonly needsCheck: boolean;
}

/**
 * A thin pool: blocks that devices get when they are first written to, and share until they are written to again. Each change of the set of
 * devices is durable when its message returns. SnapshotErrors.
 */
export class ThinPool {
  readonly name: string;
  /** Blocks that a device was never given read as zeros, and are zeroed when they are given. */
  readonly zeroes: boolean;
  readonly #metadata: string;
  readonly #lock: string;

  private constructor(name: string, metadata: string, zeroes: boolean, lock: string) {
    this.name = name;
    this.zeroes = zeroes;
    this.#metadata = metadata;
    this.#lock = lock;
  }

  /** The pool of this name; `not-found`, or `invalid` of what is none. `lock` is the path of a file for who reads its metadata. */
  static async open(name: string, lock: string): Promise<ThinPool> {
    const table = await dmsetup(['table', name], { doing: `use the thin pool ${name}` });
    const [, , target, metadata = '', , , , ...features] = table.trim().split(' ');
    if (target !== 'thin-pool') {
      throw new SnapshotError('invalid', `the device ${name} is of type ${target}, no thin pool`, {
        detail: { pool: name, target },
        hint: 'lvcreate --type thin-pool makes one, or dmsetup; of those of LVM take the name that ends with -tpool',
      });
    }
    return new ThinPool(name, deviceOf(metadata), !features.includes('skip_block_zeroing'), lock);
  }

  /** An empty device. `conflict` if there is one of that number. */
  async createDevice(id: number): Promise<void> {
    await this.#message(`create_thin ${number(id)}`, `make the thin device ${id}`);
  }

  /** A device that has all that `origin` has; to that nobody may be writing. `conflict` as above. */
  async createSnapshot(id: number, origin: number): Promise<void> {
    const doing = `make the thin device ${id} of ${origin}`;
    await this.#message(`create_snap ${number(id)} ${number(origin)}`, doing);
  }

  /** Nothing there is success. */
  async deleteDevice(id: number): Promise<void> {
    try {
      await this.#message(`delete ${number(id)}`, `delete the thin device ${id}`);
    } catch (error) {
      if ((error as { code?: string }).code !== 'not-found') throw error;
    }
  }

  /** `exhausted` if no block is free, `corrupt` if the kernel has given the pool up. */
  async requireSpace(): Promise<void> {
    const { freeBlocks, mode, needsCheck } = await this.#status();
    if (mode === 'out_of_data_space' || freeBlocks === 0) {
      throw new SnapshotError('exhausted', `the thin pool ${this.name} is full`, {
        detail: { pool: this.name },
        hint: 'remove snapshots, or enlarge it: lvextend, or dmsetup with a larger data device',
      });
    }
    if (mode === 'rw' && !needsCheck) return;
    throw new SnapshotError('corrupt', `the thin pool ${this.name} takes no more writes (${mode})`, {
      detail: { pool: this.name, mode, needsCheck },
      hint: 'deactivate it and run thin_check, then thin_repair, on its metadata',
    });
  }

  /** The numbers of all devices in it. */
  async devices(): Promise<readonly number[]> {
    return await this.#readMetadata(async () => {
      const columns = ['--no-headers', '--format', 'DEV', '--metadata-snap', this.#metadata];
      const lines = await runTool(thinList, columns, { doing: `list the devices of the pool ${this.name}` });
      return lines.split('\n').flatMap(line => (line.trim() === '' ? [] : [Number(line)]));
    });
  }

  /** Bytes of the blocks that a device has and an older one has not, or has others of. */
  async difference(older: number, newer: number): Promise<number> {
    return await this.#readMetadata(async () => {
      const devices = ['--thin1', number(older), '--thin2', number(newer)];
      const text = await runTool(thinDelta, [...devices, '--metadata-snap', this.#metadata], {
        doing: `compare the thin devices ${older} and ${newer}`,
        outputLimit: mostDelta,
      });
      return parseDelta(text) * sectorBytes;
    });
  }

  /** A pool shows its metadata as they were at one moment, to one reader at a time. */
  async #readMetadata<T>(read: () => Promise<T>): Promise<T> {
    const doing = `read the metadata of the thin pool ${this.name}`;
    return await exclusively(this.#lock, async () => {
      try {
        await this.#message('reserve_metadata_snap', doing);
      } catch {
        // A reader who was killed has left it.
        await this.#message('release_metadata_snap', doing);
        await this.#message('reserve_metadata_snap', doing);
      }
      try {
        return await read();
      } finally {
        await this.#message('release_metadata_snap', doing).catch(() => {});
      }
    });
  }

  async #status(): Promise<PoolStatus> {
    const text = await dmsetup(['status', this.name], { doing: `look at the thin pool ${this.name}` });
    const [, , , , , data = '', , mode = 'Fail', ...others] = text.trim().split(' ');
    const [used, all] = data.split('/').map(Number);
    return {
      freeBlocks: (all ?? 0) - (used ?? 0),
      mode,
      needsCheck: others.includes('needs_check'),
    };
  }

  async #message(message: string, doing: string): Promise<void> {
    await dmsetup(['message', devicePath(this.name), '0', message], { doing });
  }
}

function number(id: number): string {
  if (Number.isInteger(id) && id >= 0 && id < mostDevices) return String(id);
  throw new SnapshotError('exhausted', `a thin pool has no device ${id}: numbers end at ${mostDevices - 1}`, {
    detail: { id },
    hint: 'begin anew with another pool and another --root',
  });
}

/** A path of the device that a table names by its numbers, `254:32`. */
function deviceOf(numbers: string): string {
  const system = `/sys/dev/block/${numbers}`;
  const read = (name: string) =>
    existsSync(`${system}/${name}`) ? readFileSync(`${system}/${name}`, 'utf8') : '';
  const mapped = read('dm/name').trim();
  if (mapped !== '') return devicePath(mapped);
  const name = /^DEVNAME=(.+)$/m.exec(read('uevent'))?.[1];
  return name === undefined ? `/dev/block/${numbers}` : `/dev/${name}`;
}
