import { createExt4 } from '../../host/ext4.ts';

/**
 * A disk for what a zone writes, which dies with it: an empty sparse ext4 without a journal, `bytes` large. Made in a
 * few milliseconds whatever its size, and takes next to no room. Errors as `createExt4`.
 */
export async function createScratch(path: string, bytes: number, signal?: AbortSignal): Promise<void> {
  await createExt4(path, { size: bytes, journal: false, signal });
}
