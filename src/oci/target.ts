import { OciError } from './error.ts';
import { formatReference, parseReference } from './reference.ts';
import { type LocalKind, type NamedSource, parseSource } from './source.ts';

/** Where a copy of an image goes. A name may have a digest, which the image must have then. */
export type Target = NamedSource<'registry'> | NamedSource<'cache'> | LocalTarget;

/** Local files; `readings` as a source's, so that what was written under a name is read under the same. */
export interface LocalTarget {
  readonly kind: LocalKind;
  readonly text: string;
  readonly readings: readonly TargetReading[];
}

export interface TargetReading {
  readonly path: string;
  /** A tag; for docker-archive a reference, with registry and tag. */
  readonly name: string | undefined;
}

/**
 * Like `parseSource`, without what only a source can be: a digest after a path, or a position in a docker-archive.
 * OciError `invalid` where a docker-archive's name is no reference with a tag.
 */
export function parseTarget(text: string): Target {
  const source = parseSource(text);
  if (source.kind === 'registry' || source.kind === 'cache') return source;
  const { kind, readings } = source;
  if (readings.some(({ digest }) => digest !== undefined)) {
    throw new OciError(
      'invalid',
      `${JSON.stringify(text.slice(0, 200))}: a target has no digest of its own`,
      {
        hint: 'a copy keeps the digest of its source: give a tag, or nothing',
      },
    );
  }
  if (kind !== 'docker-archive') return { kind, text, readings };
  // Only those readings whose name can be one are meant; the path alone always remains.
  const named = readings.flatMap(({ path, name }) => {
    const full = name === undefined ? undefined : completeName(name);
    return name !== undefined && full === undefined ? [] : [{ path, name: full }];
  });
  if (readings.length > 1 && named.length === 1) {
    throw new OciError('invalid', `${JSON.stringify(readings.at(-1)!.name)} is no name for an image`, {
      hint: 'docker-archive:FILE:REF takes a reference such as nginx:1.27, without a digest',
    });
  }
  return { kind, text, readings: named };
}

function completeName(text: string): string | undefined {
  try {
    const reference = parseReference(text);
    return reference.digest === undefined ? formatReference(reference) : undefined;
  } catch {
    return undefined;
  }
}
