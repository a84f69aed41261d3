import { existsSync, statSync } from 'node:fs';
import { wrapErrno } from '../../error/index.ts';
import type { Content } from '../../merge/index.ts';
import { parseSource } from '../../oci/source.ts';
import type { FileInode } from '../../tree/index.ts';
import { detectImage, type ImageKind } from '../image-kind.ts';
import type { ImageOptions } from '../options.ts';
import type { OpenedImage } from '../source.ts';
import { isStack } from '../stack/detect.ts';
import type { View } from './view.ts';

const sourcePrefix = /^(oci|oci-archive|docker-archive|cache):|^docker:\/\//;
/** Whoever names a file that is not there so has not meant an image in a registry. */
const artifactName = /\.(sqfs|squashfs|erofs|tar)$/;

/**
 * Opens what a person may want to look into: an image source, a squashfs, EROFS or tar file, a stack, a directory. Loads only what
 * that takes: a filesystem's image answers at once, an image of layers has all of them read first.
 */
export async function openPlace(place: string, options: ImageOptions): Promise<View<unknown>> {
  // Handles of different kinds never meet, and a caller only hands them back.
  return (await open(place, options)) as View<unknown>;
}

async function open(place: string, options: ImageOptions): Promise<unknown> {
  if (sourcePrefix.test(place) || isReference(place)) return openImage(place, options);
  try {
    switch (detectKind(place)) {
      case 'squashfs': {
        const { SquashfsView } = await import('./squashfs-view.ts');
        return new SquashfsView(place);
      }
      case 'erofs': {
        const { ErofsView } = await import('./erofs-view.ts');
        const { ErofsFile } = await import('../erofs-file.ts');
        return new ErofsView(new ErofsFile(place));
      }
      case 'stack': {
        const { openStackView } = await import('./stack-view.ts');
        return await openStackView(place);
      }
      case 'directory': {
        const { readDirectory, readFileIn } = await import('../../render/directory/index.ts');
        const { TreeView } = await import('./tree-view.ts');
        const tree = await readDirectory(
          place,
          options.signal === undefined ? {} : { signal: options.signal },
        );
        return new TreeView(tree, file => copied(readFileIn(place, file.content.path)));
      }
      case 'other': {
        const { readTarContent, readTarTree } = await import('./tar-content.ts');
        const { createLimits } = await import('../../layer/index.ts');
        const { TreeView } = await import('./tree-view.ts');
        const limits = createLimits(options.limits);
        const tree = readTarTree(place, limits);
        return new TreeView(tree, file => readTarContent(place, limits, file.content));
      }
    }
  } catch (error) {
    throw wrapErrno(error, `cannot read ${place}`);
  }
}

async function openImage(source: string, options: ImageOptions): Promise<unknown> {
  const { openAndUse } = await import('../source.ts');
  const { indexImage, mergeImage } = await import('../layers.ts');
  const { readContent } = await import('./image-content.ts');
  const { TreeView } = await import('./tree-view.ts');
  const read = (opened: OpenedImage) => indexImage(opened, options);
  const [opened, indexed] = await openAndUse(source, options, read);
  await using stack = new AsyncDisposableStack();
  stack.use(opened);
  const readFile = (file: FileInode<Content>) => readContent(indexed, file.content, options);
  return new TreeView(mergeImage(indexed), readFile, stack.move());
}

/** What is there is meant as a file; what is not may be the name of an image. */
function isReference(place: string): boolean {
  if (artifactName.test(place) || existsSync(place)) return false;
  try {
    parseSource(place);
    return true;
  } catch {
    return false;
  }
}

function detectKind(path: string): ImageKind | 'stack' | 'directory' | 'other' {
  if (statSync(path).isDirectory()) return isStack(path) ? 'stack' : 'directory';
  return detectImage(path) ?? 'other';
}

function* copied(chunks: Iterable<Uint8Array>): Generator<Uint8Array, void, undefined> {
  for (const chunk of chunks) yield Uint8Array.from(chunk);
}
