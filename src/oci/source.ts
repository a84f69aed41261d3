import { type Digest, parseDigest } from './digest.ts';
import { OciError } from './error.ts';
import { parseReference, type Reference } from './reference.ts';

/** The kinds that lie in local files. */
export const localKinds = ['oci', 'oci-archive', 'docker-archive'] as const;
export type LocalKind = (typeof localKinds)[number];

export const sourceKinds = ['registry', 'cache', ...localKinds] as const;
export type SourceKind = (typeof sourceKinds)[number];

/** Where an image comes from. */
export type Source = NamedSource<'registry'> | NamedSource<'cache'> | LocalSource;

/** An image by its name: in its registry, or in the cache and nowhere else. */
export interface NamedSource<Kind extends 'registry' | 'cache'> {
  readonly kind: Kind;
  /** As the user wrote it, prefix included. */
  readonly text: string;
  readonly reference: Reference;
}

/**
 * An image in local files. Paths and tags may both hold colons, so the text alone does not say where the path ends;
 * `readings` are all the ways to read it, longest path first, and the first whose path exists is meant. If none exists
 * it is the last, as skopeo reads it.
 */
export interface LocalSource {
  readonly kind: LocalKind;
  /** As the user wrote it, prefix included. */
  readonly text: string;
  readonly readings: readonly SourceReading[];
}

export interface SourceReading {
  readonly path: string;
  /** A tag; for docker-archive a reference or `@N`, the image's position. */
  readonly name: string | undefined;
  /** Wins over the name, as everywhere with Docker. */
  readonly digest: Digest | undefined;
}

/** Names of skopeo's that stand for places which Shale does not read. */
const foreign: Readonly<Record<string, string>> = {
  'containers-storage': 'copy the image out of it first, with skopeo copy containers-storage:NAME oci:DIR',
  'docker-daemon': 'save the image first, with docker save, and give docker-archive:FILE',
  dir: 'copy the image first, with skopeo copy dir:DIR oci:DIR',
  ostree: 'copy the image first, with skopeo copy',
  sif: 'copy the image first, with skopeo copy',
  tarball: 'a root filesystem alone is no image',
  atomic: 'copy the image first, with skopeo copy',
};

const usage =
  'images are a reference such as nginx:1.27 or docker://ghcr.io/org/app, cache:REF, oci:DIR[:TAG], oci-archive:FILE[:TAG] and docker-archive:FILE[:REF]';

/**
 * A reference alone or `docker://REF` (a registry), `cache:REF`, `oci:DIR[:TAG|@DIGEST]`, `oci-archive:FILE[:TAG|@DIGEST]`
 * or `docker-archive:FILE[:REF|:@N]`. What looks like a path, another prefix or a malformed reference: OciError
 * `invalid`, with a hint at what may have been meant; a place of skopeo's that is not read: `unsupported`.
 */
export function parseSource(text: string): Source {
  const colon = text.indexOf(':');
  const prefix = text.slice(0, Math.max(colon, 0));
  const rest = text.slice(colon + 1);
  const kind = localKinds.find(name => name === prefix);
  if (kind !== undefined) {
    if (rest === '' || rest.startsWith(':') || rest.includes('\0')) {
      throw new OciError('invalid', `${shorten(text)} names no path`, { hint: usage });
    }
    return { kind, text, readings: readings(kind, rest) };
  }
  if (prefix === 'cache') return { kind: 'cache', text, reference: parseReference(rest) };
  if (text.startsWith('docker://'))
    return { kind: 'registry', text, reference: parseReference(text.slice(9)) };
  return { kind: 'registry', text, reference: parseBare(text, prefix) };
}

/** A reference without a prefix, unless it is more likely that something else was meant. */
function parseBare(text: string, prefix: string): Reference {
  const hint = Object.hasOwn(foreign, prefix) ? foreign[prefix] : undefined;
  if (hint !== undefined) {
    throw new OciError('unsupported', `${shorten(text)}: Shale does not know ${prefix}:`, {
      hint,
      detail: { known: sourceKinds },
    });
  }
  if (looksLikePath(text)) {
    const path = text.slice(0, 200);
    const guess = /\.tar$/i.test(text) ? `oci-archive:${path} or docker-archive:${path}` : `oci:${path}`;
    throw new OciError('invalid', `${shorten(text)} is a path, not an image`, {
      hint: `did you mean ${guess}? ${usage}`,
    });
  }
  const url = /^https?:\/\/(.*)$/s.exec(text)?.[1];
  if (url !== undefined) {
    throw new OciError('invalid', `${shorten(text)} is a URL, not an image`, {
      hint: `did you mean docker://${url.slice(0, 200)}? ${usage}`,
    });
  }
  try {
    return parseReference(text);
  } catch (cause) {
    throw new OciError('invalid', `${shorten(text)} is no image reference, and has no prefix that is known`, {
      cause,
      hint: `references are in lower case; ${usage}`,
      detail: { known: sourceKinds },
    });
  }
}

/** True of what nobody would call an image in a registry: `./x`, `../x`, `/x`, `~/x`, `x.tar`, `x.tar.gz`, `.`. */
function looksLikePath(text: string): boolean {
  return /^(\.{0,2}|~)(\/|$)/.test(text) || /^[A-Za-z]:\\/.test(text) || /\.(tar(\.\w+)?|tgz)$/i.test(text);
}

function shorten(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}

/** The ways to read what follows `oci:`, `oci-archive:` or `docker-archive:`, longest path first. */
function readings(kind: LocalKind, rest: string): SourceReading[] {
  const found: SourceReading[] = [{ path: rest, name: undefined, digest: undefined }];
  const at = kind === 'docker-archive' ? null : /@([a-z0-9+._-]+:[^/@]*)$/.exec(rest);
  const digest = at === null ? undefined : parseDigest(at[1]!);
  const named = at === null ? rest : rest.slice(0, at.index);
  if (digest !== undefined) found.push({ path: named, name: undefined, digest });
  // The colon of a Windows drive ends no path.
  const first = /^[A-Za-z]:[\\/]/.test(named) ? 2 : 1;
  for (let end = named.lastIndexOf(':'); end >= first; end = named.lastIndexOf(':', end - 1)) {
    const name = named.slice(end + 1);
    if (name !== '') found.push({ path: named.slice(0, end), name, digest });
  }
  return found;
}
