import type { SnapshotError } from '../../error.ts';
import type { DriverOptions } from '../driver.ts';
import { invalidSetting, readSettings, type Settings } from '../settings.ts';

export type FilesystemType = Settings<'devmapper'>['fs_type'];

/** Where the blocks are: in a pool that somebody made, or in one of ours on two files, which is for trying out. */
export type PoolChoice =
  | { readonly kind: 'named'; readonly name: string }
  | { readonly kind: 'files'; readonly data: number; readonly metadata: number };

export interface DevmapperSettings {
  /** `undefined` if nothing was said. */
  readonly pool: PoolChoice | undefined;
  /** Of filesystems that are made from now on. */
  readonly type: FilesystemType;
  /** Bytes that each snapshot seems to have. */
  readonly baseSize: number;
}

const [KiB, MiB, GiB] = [2 ** 10, 2 ** 20, 2 ** 30];
/** One in a thousand of the data is plenty; the kernel takes no less than 2 MiB. */
const leastMetadata = 4 * MiB;
/** What the kernel can use of it (dm-thin-metadata.h). */
const mostMetadata = 16 * GiB;
const leastSize = 16 * MiB;

/** SnapshotError `invalid`. */
export function readDevmapperSettings(options: DriverOptions): DevmapperSettings {
  const { pool, data, metadata, fs_type: type, base_size } = readSettings('devmapper', options);
  if (pool !== undefined && (data !== undefined || metadata !== undefined)) {
    throw invalid('pool', pool, 'name a pool, or give the size of the data of a new one; not both');
  }
  if (pool !== undefined && !/^(\/dev\/mapper\/)?[A-Za-z0-9_][A-Za-z0-9_.+#:=@-]{0,126}$/.test(pool)) {
    throw invalid('pool', pool, 'it is the name of a device of type thin-pool, as dmsetup ls shows it');
  }
  const baseSize = parseSize('base_size', base_size);
  if (pool !== undefined) {
    return { pool: { kind: 'named', name: pool.replace('/dev/mapper/', '') }, type, baseSize };
  }
  if (data === undefined) {
    if (metadata !== undefined) throw invalid('metadata', metadata, 'give the size of the data, too');
    return { pool: undefined, type, baseSize };
  }
  const bytes = parseSize('data', data);
  const usual = Math.min(mostMetadata, Math.max(leastMetadata, Math.ceil(bytes / 1000 / MiB) * MiB));
  const ofMetadata = metadata === undefined ? usual : parseSize('metadata', metadata);
  return { pool: { kind: 'files', data: bytes, metadata: ofMetadata }, type, baseSize };
}

const units: Readonly<Record<string, number>> = { K: KiB, M: MiB, G: GiB, T: 1024 * GiB };

/** `20G`; in whole MiB, at least 16 of them, or 4 of metadata. */
function parseSize(name: string, text: string): number {
  const [, digits, unit = ''] = /^([0-9]{1,12})([KMGT])?$/.exec(text) ?? [];
  const bytes = Number(digits) * (units[unit] ?? 1);
  const least = name === 'metadata' ? leastMetadata : leastSize;
  if (Number.isSafeInteger(bytes) && bytes >= least) return Math.ceil(bytes / MiB) * MiB;
  throw invalid(name, text, `it is a size such as 20G, at least ${least / MiB}M`);
}

function invalid(name: string, value: string, hint: string): SnapshotError {
  return invalidSetting('devmapper', name, value, hint);
}
