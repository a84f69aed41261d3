/**
 * Whether an artifact is what an image says: the layers are read and verified once more, merged once more, and what
 * comes of them is compared with what the artifact's own reader finds in it, name by name.
 *
 *     layers ──threads──► indexes, sha256 of each content ──merge──► tree ─┐
 *                                                                          ├──► differences
 *     artifact ──main thread──► its tree, sha256 of each content ──────────┘
 *
 * Nothing of the way that made the artifact is used but the merge: no sink, no numbering, no shadow. What a format
 * cannot hold is no difference; `projection.ts` says what that is, and there is no other tolerance.
 *
 * A stack is two artifacts, or one, and files that are artifacts of their own: all are compared.
 */
import { ShaleError } from '../../error/index.ts';
import { isRoot, throwIfAborted } from '../../host/index.ts';
import { createLimits } from '../../layer/index.ts';
import { indexImage, mergeImage } from '../layers.ts';
import { type ImageOptions, summarise, type WarningSummary } from '../options.ts';
import { withSource } from '../source.ts';
import { type ArtifactFormat, detectFormat, readArtifact } from './artifact.ts';
import { Comparison } from './compare.ts';
import { ContentDigests } from './content-digests.ts';
import { type Difference, Differences, summariseDifferences } from './difference.ts';
import { Pace } from './pace.ts';
import { projectionOf } from './projection.ts';
import { type ArtifactPart, compareImage, readStackArtifact, type StackArtifact } from './stack-artifact.ts';

export type { ArtifactFormat } from './artifact.ts';
export type { Difference, DifferenceKind, StackPart } from './difference.ts';

export interface VerifyReport {
  readonly format: ArtifactFormat;
  /** Of the image: inodes, those that are files, and the bytes of these. */
  readonly inodes: number;
  readonly files: number;
  readonly bytes: number;
  /** Of a stack: the files that `stack.json` describes, and their bytes. */
  readonly stack?: { readonly files: number; readonly bytes: number };
  /** The first 1000 of each part of the artifact, by path; none means that the artifact is the image. */
  readonly differences: readonly Difference[];
  readonly differenceCount: number;
  /** Of reading the image. */
  readonly warnings: WarningSummary;
}

/**
 * Compares a rendered artifact with its image. Differences are a result, not an error; an artifact that cannot be read
 * at all is one (`corrupt`, `not-found`, …), as is whatever is wrong with the image. Directories are read with the
 * caller's rights: without root, `trusted.*` attributes cannot be seen and are not compared.
 */
export async function verify(
  source: string,
  artifact: string,
  options: ImageOptions & { readonly format?: ArtifactFormat | undefined } = {},
): Promise<VerifyReport> {
  throwIfAborted(options.signal);
  const format = options.format ?? detectFormat(artifact);
  // Whichever of the two fails first ends the other.
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  let failure: { readonly error: unknown } | undefined;
  const ending = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      failure ??= { error };
      stop.abort(error);
      throw error;
    }
  };
  const [indexed, read] = await Promise.allSettled([
    ending(
      withSource(source, { ...options, signal }, opened => indexImage(opened, { ...options, digests: true })),
    ),
    ending(
      readParts(artifact, format, {
        limits: createLimits(options.limits),
        pace: new Pace(signal),
        jobs: options.jobs,
        signal,
      }),
    ),
  ]);
  throwIfAborted(options.signal);
  if (failure !== undefined) throw failure.error;
  if (indexed.status === 'rejected' || read.status === 'rejected') {
    throw new ShaleError('internal', 'neither an error nor a result');
  }
  const image = indexed.value;
  const tree = mergeImage(image);
  const { parts, stack } = read.value;
  const projection = projectionOf(format, isRoot());
  const contents = new ContentDigests(image.layers);
  for (const { artifact, differences } of parts) {
    if (artifact) new Comparison({ projection, contents, artifact, differences }).run(tree);
  }
  if (stack) compareImage(stack, image.image);
  const found = [...(stack ? [stack.files.differences] : []), ...parts.map(({ differences }) => differences)];
  let files = 0;
  let bytes = 0;
  for (const { inode } of tree.nodes) {
    if (inode.type !== 'file') continue;
    files += 1;
    bytes += inode.size;
  }
  return {
    format,
    inodes: tree.nodes.length,
    files,
    bytes,
    ...(stack && { stack: { files: stack.files.files, bytes: stack.files.bytes } }),
    ...summariseDifferences(found),
    warnings: summarise(image.warnings),
  };
}

interface ReadParts {
  readonly parts: readonly ArtifactPart[];
  readonly stack?: StackArtifact;
}

async function readParts(
  path: string,
  format: ArtifactFormat,
  options: Parameters<typeof readArtifact>[2] & { readonly jobs: number | undefined },
): Promise<ReadParts> {
  if (format !== 'stack') {
    return {
      parts: [{ artifact: await readArtifact(path, format, options), differences: new Differences() }],
    };
  }
  const stack = await readStackArtifact(path, options.pace, options);
  return { parts: stack.parts, stack };
}
