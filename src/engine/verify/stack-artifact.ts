import type { Image } from '../../archive/index.ts';
import { type ErrorCode, ShaleError, wrapErrno } from '../../error/index.ts';
import { manifestName, type StackManifest } from '../stack/manifest.ts';
import { type OpenedStack, openStack, StackImage } from '../stack/open.ts';
import { OverlayTree } from '../stack/overlay-tree.ts';
import type { Artifact } from './artifact.ts';
import { Differences, type StackPart } from './difference.ts';
import { digestContents, readErofsImage } from './erofs-artifact.ts';
import type { Pace } from './pace.ts';
import { checkStackFiles, type StackFilesReport } from './stack-files.ts';

/** Something to compare with the image, and where what differs is told. */
export interface ArtifactPart {
  readonly differences: Differences;
  /** Absent where it could not be read, which is a difference. */
  readonly artifact?: Artifact;
}

export interface StackArtifact {
  readonly manifest: StackManifest;
  readonly files: StackFilesReport;
  readonly parts: readonly ArtifactPart[];
}

/**
 * A stack, read back whole: its files by themselves, and what the kernel would show of each form.
 */
export async function readStackArtifact(
  path: string,
  pace: Pace,
  options: { readonly jobs?: number | undefined; readonly signal: AbortSignal },
): Promise<StackArtifact> {
  const stack = await openStack(path);
  const { manifest } = stack;
  const files = await checkStackFiles(stack, options);
  const parts: ArtifactPart[] = [];
  if (manifest.merged !== undefined) parts.push(await readPart('merged', () => readMerged(stack, pace)));
  if (manifest.overlay !== undefined) parts.push(await readPart('overlay', () => readOverlay(stack, pace)));
  return { manifest, files, parts };
}

async function readMerged(stack: OpenedStack, pace: Pace): Promise<Artifact> {
  const { image, devices } = stack.manifest.merged!;
  using merged = new StackImage(stack, image.file, devices);
  return await readErofsImage(merged.image, pace);
}

async function readOverlay(stack: OpenedStack, pace: Pace): Promise<Artifact> {
  using overlay = new OverlayTree(stack);
  const { tree, strange } = overlay;
  const digests = await digestContents(
    tree,
    ({ content }) => ({ image: overlay.imageOf(content), order: content.lower, file: content.file }),
    pace,
  );
  return { tree, digests, strays: strange };
}

/** What is wrong with the data; that the disk fails, or somebody wants to stop, is something else. */
const damage: readonly ErrorCode[] = ['corrupt', 'invalid', 'unsupported', 'not-found', 'exhausted'];

async function readPart(part: StackPart, read: () => Promise<Artifact>): Promise<ArtifactPart> {
  const differences = new Differences(part);
  try {
    return { differences, artifact: await read() };
  } catch (error) {
    const failure = wrapErrno(error, 'cannot read the stack');
    if (!(failure instanceof ShaleError) || !damage.includes(failure.code)) throw failure;
    differences.add('', 'unreadable', () => [undefined, failure.message]);
    return { differences };
  }
}

/** Whether the stack says that it is one of this image. */
export function compareImage({ manifest, files }: StackArtifact, image: Image): void {
  const add = (what: string, expected: string | undefined, actual: string | undefined) => {
    if (expected === actual) return;
    files.differences.add(manifestName, 'image', () => [
      expected === undefined ? undefined : `${what} ${expected}`,
      actual === undefined ? undefined : `${what} ${actual}`,
    ]);
  };
  add('config', image.configDigest, manifest.image.config);
  // An archive may have no manifest, and an image that was packed otherwise has another.
  if (image.manifestDigest !== undefined && manifest.image.manifest !== undefined) {
    add('manifest', image.manifestDigest, manifest.image.manifest);
  }
  for (let layer = 0; layer < Math.max(image.layers.length, manifest.layers.length); layer++) {
    add(`layer ${layer}`, image.layers[layer]?.diffId, manifest.layers[layer]?.diffId);
  }
}
