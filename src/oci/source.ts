import { type Digest, parseDigest } from './digest.ts';
import { OciError } from './error.ts';
import { parseReference } from './reference.ts';

export const sourceKinds = ['oci', 'oci-archive', 'docker-archive'] as const;
export type SourceKind = (typeof sourceKinds)[number];

/**
 * Where an image comes from. Paths and tags may both hold colons, so the text alone does not say where the path ends;
 * `readings` are all the ways to read it, longest path first, and the first whose path exists is meant.
 */
export interface Source {
  readonly kind: SourceKind;
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
const foreign = ['containers-storage', 'docker-daemon', 'dir', 'ostree', 'sif', 'tarball', 'atomic'];

/**
 * `oci:DIR[:TAG|@DIGEST]`, `oci-archive:FILE[:TAG|@DIGEST]` or `docker-archive:FILE[:REF|:@N]`. Another prefix:
 * OciError `invalid`; a registry's reference: `unsupported`.
 */
export function parseSource(text: string): Source {
  const colon = text.indexOf(':');
  const prefix = text.slice(0, Math.max(colon, 0));
  const kind = sourceKinds.find(name => name === prefix);
  if (kind === undefined) throw notSource(text, prefix);
  const rest = text.slice(colon + 1);
  if (rest === '' || rest.startsWith(':') || rest.includes('\0')) {
    throw new OciError('invalid', `${JSON.stringify(text)} names no path`, { hint: usage });
  }
  return { kind, text, readings: readings(kind, rest) };
}

const usage = 'sources are oci:DIR[:TAG], oci-archive:FILE[:TAG] and docker-archive:FILE[:REF]';

function readings(kind: SourceKind, rest: string): SourceReading[] {
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

function notSource(text: string, prefix: string): OciError {
  const isReference = () => {
    try {
      parseReference(text);
      return !foreign.includes(prefix);
    } catch {
      return false;
    }
  };
  const shown = JSON.stringify(text.slice(0, 200));
  if (text.startsWith('docker://') || isReference()) {
    return new OciError(
      'unsupported',
      `${shown} is in a registry, and registries come with a later version`,
      {
        hint: 'fetch the image first, with skopeo copy docker://NAME oci:DIR, and give oci:DIR',
      },
    );
  }
  return new OciError('invalid', `${shown} is not a source`, { hint: usage, detail: { known: sourceKinds } });
}
