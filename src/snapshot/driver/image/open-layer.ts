import { type ErofsImage, openErofs, type TreeData } from '../../../erofs/index.ts';
import { ShaleError } from '../../../error/index.ts';
import { ImageFile } from '../../../host/index.ts';
import { type FileInode, mapContent, type NodeInode, type Tree } from '../../../tree/index.ts';
import { SnapshotError } from '../../error.ts';
import type { ReadableContent } from './write-layer.ts';

/** A file's content in a layer. */
export interface LayerContent extends ReadableContent {
  /** As it was given to `tree`: which of several layers. */
  readonly layer: number;
  readonly file: FileInode<TreeData>;
}
export type LayerTree = Tree<LayerContent>;

/** A layer's file, open. Its contents can be read until it is disposed. */
export interface OpenLayer extends Disposable {
  readonly path: string;
  /** Bytes, as a device of another image counts them. */
  readonly size: number;
  readonly uuid: Uint8Array;
  /** What its root directory is. */
  readonly root: NodeInode<unknown>;
  /** `layer` is what its contents say of themselves. */
  tree(layer?: number): LayerTree;
}

/** Opens a committed layer. What is wrong with it is a SnapshotError `corrupt` with its path. */
export function openLayer(path: string): OpenLayer {
  using stack = new DisposableStack();
  const source = stack.use(new ImageFile(path));
  const image = locate(path, () => stack.use(openErofs(source)));
  const opened = stack.move();
  return {
    path,
    size: source.size,
    uuid: image.superblock.uuid,
    root: locate(path, () => ({ ...image.root, xattrs: image.xattrs(image.root) })),
    tree: (layer = 0) => locate(path, () => readTree(image, layer)),
    [Symbol.dispose]: () => opened.dispose(),
  };
}

function readTree(image: ErofsImage, layer: number): LayerTree {
  return mapContent(image.tree(), file => ({ layer, file, read: () => image.read(file) }));
}

function locate<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ShaleError) || error instanceof SnapshotError) throw error;
    throw new SnapshotError(error.code === 'invalid' ? 'corrupt' : error.code, `${path}: ${error.message}`, {
      cause: error,
      detail: { ...error.detail, path },
      hint: 'the snapshot is damaged: remove it and those above it, and unpack the image again',
    });
  }
}
