import type { TarLimits } from '../tar/entry.ts';
import { LayerError } from './error.ts';

/** What an image may ask of the machine. A limit is the most that is allowed; `Infinity` lifts it. */
export interface LayerLimits extends TarLimits {
  /** Records of all layers together; a single layer is held to it too. */
  readonly entries: number;
  /** Bytes of a normalised path, of a hardlink's and of a symlink's target. */
  readonly pathBytes: number;
  /** Components of a path, and directories above one another in the result. */
  readonly pathDepth: number;
  /** Bytes of one xattr's value; an entry's xattrs together may have `xattrsPerValue` times as much. */
  readonly xattrBytes: number;
  /** Bytes of all layers together, uncompressed. */
  readonly totalBytes: number;
  /** Uncompressed bytes for each compressed one, counted once a layer has given more than `ratioFloor` bytes. */
  readonly ratio: number;
  readonly ratioFloor: number;
}

/** An entry's names and values together may be so many times the limit of one value. */
export const xattrsPerValue = 4;

/** The maps of a layer's sparse files together may have so many times the segments of one: they stay in its index. */
export const sparseMapsPerFile = 4;

/** The floor under `ratio` when the user has set a ratio: then it is meant, also for small layers. */
export const explicitRatioFloor = 2 ** 20;

export interface LimitRow {
  readonly flag: string;
  readonly value: number;
  /** What is counted: `more than 4096 bytes in a path`. */
  readonly what: string;
}

/** Every limit: its default, the flag that raises it and its name in messages. The command line and the errors read it here. */
export const limitTable: Readonly<Record<keyof LayerLimits, LimitRow>> = {
  entries: { flag: '--max-entries', value: 4_000_000, what: 'entries in the layers' },
  pathBytes: { flag: '--max-path', value: 4096, what: 'bytes in a path' },
  pathDepth: { flag: '--max-depth', value: 1024, what: 'directories above one another' },
  xattrBytes: { flag: '--max-xattr', value: 2 ** 20, what: 'bytes in an xattr' },
  totalBytes: { flag: '--max-size', value: 128 * 2 ** 30, what: 'bytes in the uncompressed layers' },
  ratio: { flag: '--max-ratio', value: 200, what: 'times the compressed size' },
  ratioFloor: { flag: '--max-ratio', value: 8 * 2 ** 30, what: 'bytes before the ratio counts' },
  paxBytes: { flag: '--max-pax', value: 2 ** 20, what: 'bytes in the pax records of an entry' },
  sparseSegments: { flag: '--max-sparse', value: 262_144, what: 'segments in a sparse file' },
};

/** The limits, with the defaults for those that are not given. A ratio without a floor gets `explicitRatioFloor`. */
export function createLimits(given: Partial<LayerLimits> = {}): LayerLimits {
  const limits = {} as Record<keyof LayerLimits, number>;
  for (const [name, row] of Object.entries(limitTable) as [keyof LayerLimits, LimitRow][]) {
    limits[name] = given[name] ?? row.value;
  }
  if (given.ratio !== undefined && given.ratioFloor === undefined) limits.ratioFloor = explicitRatioFloor;
  return limits;
}

export const defaultLimits: LayerLimits = createLimits();

/**
 * The error of a limit that was passed. `where` begins the message (see `formatPlace`), `limit` is what was allowed
 * where that is not the limit itself (the sum of an entry's xattrs).
 */
export function createExhausted(
  name: keyof LayerLimits,
  options: { where: string; limit: number; actual: number; what?: string },
): LayerError {
  const { flag, what: usual } = limitTable[name];
  const { where, limit, actual, what = usual } = options;
  return new LayerError(
    'exhausted',
    `${where}: more than ${limit} ${what} (${actual}); ${flag} allows more`,
    {
      detail: { name, limit, flag, actual },
      hint: `raise the limit with ${flag} if you trust the image`,
    },
  );
}
