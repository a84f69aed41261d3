import type { Fetcher } from '../content/index.ts';
import type { Descriptor, LocalSource } from '../oci/index.ts';
import type { OpenOptions } from './image.ts';
import { findRoots, readEntries } from './layout.ts';
import { LayoutFetcher } from './layout-fetcher.ts';
import { openMedium } from './open.ts';
import { openSavedFetcher } from './saved-fetcher.ts';

/** A source to copy from, and what of it was asked for. */
export interface FetchedSource {
  readonly fetcher: Fetcher;
  /** Several only if they are one image for several platforms. */
  readonly roots: readonly Descriptor[];
}

/**
 * Opens a local source to copy from it. A docker-archive that is no OCI layout as well gets a manifest that is made
 * here, always the same one for the same image. Fails as `openImage`.
 */
export async function openFetcher(source: LocalSource, options: OpenOptions): Promise<FetchedSource> {
  const { medium, reading } = await openMedium(source, options.signal);
  const place = `${source.kind}:${reading.path}`;
  if (source.kind === 'docker-archive') return openSavedFetcher(medium, reading, place, options);
  const entries = await readEntries(medium, options.signal);
  const roots = await findRoots(medium, entries, reading, options.signal);
  return { fetcher: new LayoutFetcher(medium, entries, place), roots };
}
