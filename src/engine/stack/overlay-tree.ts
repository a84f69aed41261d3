import { ErofsError } from '../../erofs/error.ts';
import { type ErofsImage, TreeBudget, type TreeData } from '../../erofs/index.ts';
import { isMarker, isOpaque, stackTrees, treeOfStack } from '../../overlay/index.ts';
import {
  type ByteString,
  type FileInode,
  mapContent,
  type NodeInode,
  printable,
  type Tree,
} from '../../tree/index.ts';
import { type OpenedStack, StackImage } from './open.ts';

/** A file's content: where it stands among the lowers, 0 the uppermost, and what its image says of it. */
export interface LowerContent {
  readonly lower: number;
  readonly file: FileInode<TreeData>;
}

/** An xattr that steers OverlayFS and that no stack has: with it, the kernel may show something else. */
export interface StrangeMarker {
  readonly path: ByteString;
  readonly what: string;
}

/** All trees of a stack's lowers together may take so much memory, in bytes, roughly. */
const treeBytes = 2 * 1024 ** 3;

/** What the kernel's OverlayFS shows of a stack, by the same rules. */
export class OverlayTree implements Disposable {
  readonly tree: Tree<LowerContent>;
  readonly strange: readonly StrangeMarker[];
  readonly #images: readonly ErofsImage[];
  readonly #open: DisposableStack;

  /** The stack must have an overlay. Throws as `fs` does; ErofsError, which names the file. */
  constructor(stack: OpenedStack) {
    using open = new DisposableStack();
    const { lowers } = stack.manifest.overlay!;
    const budget = new TreeBudget(treeBytes);
    const images: ErofsImage[] = [];
    const trees: Tree<LowerContent>[] = [];
    const strange: StrangeMarker[] = [];
    for (const [lower, { file, device }] of lowers.entries()) {
      const { image } = open.use(new StackImage(stack, file, device === undefined ? [] : [device]));
      images.push(image);
      try {
        trees.push(mapContent(image.tree(budget), inode => ({ lower, file: inode })));
      } catch (error) {
        throw error instanceof ErofsError ? inFile(error, `${stack.path}/${file}`) : error;
      }
      for (const { path, inode } of trees.at(-1)!.nodes) {
        if (inode.xattrs.size > 0) strange.push(...findStrange(path, inode, file));
      }
    }
    // One is mounted as it is.
    this.tree = trees.length === 1 ? trees[0]! : treeOfStack(stackTrees(trees.reverse())!);
    this.strange = strange;
    this.#images = images;
    this.#open = open.move();
  }

  /** Whose content it is; `read` of it reads the file. */
  imageOf({ lower }: LowerContent): ErofsImage {
    return this.#images[lower]!;
  }

  read({ lower, file }: LowerContent): Iterable<Uint8Array> {
    return this.#images[lower]!.read(file);
  }

  [Symbol.dispose](): void {
    this.#open.dispose();
  }
}

function* findStrange(path: ByteString, inode: NodeInode<unknown>, file: string): Iterable<StrangeMarker> {
  for (const [name, value] of inode.xattrs) {
    if (!isMarker(name)) continue;
    const isOrigin = name === 'trusted.overlay.origin' && inode.type === 'directory' && value.length === 0;
    if (isOrigin || (name === 'trusted.overlay.opaque' && isOpaque(inode))) continue;
    yield { path, what: `${printable(name)}, which steers OverlayFS, in ${file}` };
  }
}

function inFile(error: ErofsError, path: string): ErofsError {
  const { code, message, detail, hint } = error;
  return new ErofsError(code, `${path}: ${message}`, {
    ...{ cause: error, detail: { ...detail, path } },
    ...(hint !== undefined && { hint }),
  });
}
