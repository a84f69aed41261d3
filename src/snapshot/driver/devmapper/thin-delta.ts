import { SnapshotError } from '../../error.ts';

/** Sectors that the second device has and the first has not, or has others of, as thin_delta(8) writes it. */
export function parseDelta(text: string): number {
  const blockSectors = Number(/\bdata_block_size="([0-9]+)"/.exec(text)?.[1]);
  if (!Number.isSafeInteger(blockSectors)) {
    throw new SnapshotError('internal', 'thin_delta wrote something that is not known here', {
      detail: { text: text.slice(0, 200) },
    });
  }
  let blocks = 0;
  for (const [, length] of text.matchAll(/<(?:different|right_only) [^>]*\blength="([0-9]+)"/g)) {
    blocks += Number(length);
  }
  return blocks * blockSectors;
}
