import { type LocalSource, normalizePlatform, parseSource, type SourceReading } from '../oci/index.ts';
import { openSaved } from './docker.ts';
import { ArchiveError, checkAbort } from './error.ts';
import type { Image, OpenOptions } from './image.ts';
import { openLayout } from './layout.ts';
import { DirectoryMedium, findStatus, type Medium } from './medium.ts';
import { TarMedium } from './tar-medium.ts';

/**
 * Opens one image of a local source: chooses it by tag, digest and platform, verifies its manifest and config, and
 * finds its layers without reading them. Nothing is held open, so the image stays good for as long as its files do.
 *
 * Fails with a ShaleError: `invalid` for a malformed source or document, or when the choice is not unique;
 * `not-found` for a path, tag, platform or blob that is not there; `corrupt` when a digest or size differs;
 * `unsupported` for compressed archives, encrypted layers and old formats; `cancelled` once the signal is aborted.
 */
export async function openImage(source: LocalSource | string, given: OpenOptions): Promise<Image> {
  // Callers may build a platform by hand, and one without its usual variant would match nothing.
  const options: OpenOptions = {
    ...given,
    host: normalizePlatform(given.host),
    platform: given.platform && normalizePlatform(given.platform),
  };
  const local = typeof source === 'string' ? parseLocal(source) : source;
  const { medium, reading } = await openMedium(local, options.signal);
  const open = local.kind === 'docker-archive' ? openSaved : openLayout;
  return open(medium, reading, local.text, options);
}

/** Finds the source's files, and what of them is meant. */
export async function openMedium(
  { kind, text, readings }: LocalSource,
  signal: AbortSignal | undefined,
): Promise<{ medium: Medium; reading: SourceReading }> {
  checkAbort(signal);
  const { reading, isDirectory } = await findReading(readings, text);
  const { path } = reading;
  if (kind === 'oci') {
    if (!isDirectory) {
      throw new ArchiveError('invalid', `${path} is a file, not an OCI layout directory`, {
        hint: 'for a tar file give oci-archive: or docker-archive:',
      });
    }
    return { medium: new DirectoryMedium(path), reading };
  }
  if (isDirectory) {
    const hint =
      kind === 'oci-archive' ? 'for a layout directory give oci:' : 'docker-archive: takes a tar file';
    throw new ArchiveError('invalid', `${path} is a directory, not an archive`, { hint });
  }
  return { medium: await TarMedium.open(path, signal), reading };
}

function parseLocal(text: string): LocalSource {
  const source = parseSource(text);
  if (source.kind !== 'registry' && source.kind !== 'cache') return source;
  throw new ArchiveError('invalid', `${text} is not a local file`, {
    hint: 'local images are oci:DIR[:TAG], oci-archive:FILE[:TAG] and docker-archive:FILE[:REF]',
  });
}

/** The first reading of the source whose path exists. */
async function findReading(
  readings: readonly SourceReading[],
  text: string,
): Promise<{ reading: SourceReading; isDirectory: boolean }> {
  for (const reading of readings) {
    const status = await findStatus(reading.path);
    if (status === undefined) continue;
    if (!status.isDirectory() && !status.isFile()) {
      throw new ArchiveError('invalid', `${reading.path} is neither a file nor a directory`, {
        hint: 'an archive is read at random, so it cannot be a pipe: save it to a file first',
      });
    }
    return { reading, isDirectory: status.isDirectory() };
  }
  // The shortest path is how skopeo would read it.
  const path = readings.at(-1)?.path ?? text;
  throw new ArchiveError('not-found', `${text}: there is no ${path}`, { detail: { source: text, path } });
}
