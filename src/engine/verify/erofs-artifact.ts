import { createHash } from 'node:crypto';
import type { ErofsImage, TreeData } from '../../erofs/index.ts';
import type { FileInode, Tree } from '../../tree/index.ts';
import { ErofsFile } from '../erofs-file.ts';
import type { Artifact } from './artifact.ts';
import { digestBytes } from './content-digests.ts';
import type { Pace } from './pace.ts';

export async function readErofsArtifact(path: string, pace: Pace): Promise<Artifact> {
  using file = new ErofsFile(path);
  return await readErofsImage(file.image, pace);
}

export async function readErofsImage(image: ErofsImage, pace: Pace): Promise<Artifact> {
  const tree = image.tree();
  const digests = await digestContents(tree, file => ({ image, order: 0, file }), pace);
  return { tree, digests, strays: [] };
}

/** A file as an image has it. */
export interface StoredContent {
  readonly image: ErofsImage;
  /** Among the images, each of which has its own. */
  readonly order: number;
  readonly file: FileInode<TreeData>;
}

/** The digests of an artifact. Files are hashed in the order in which they lie in their images, or on their devices. */
export async function digestContents<C>(
  tree: Tree<C>,
  find: (inode: FileInode<C>) => StoredContent,
  pace: Pace,
): Promise<Uint8Array> {
  const digests = new Uint8Array(tree.nodes.length * digestBytes);
  const files: (StoredContent & { readonly place: Place; readonly at: number })[] = [];
  for (const { inode, index } of tree.nodes) {
    if (inode.type !== 'file') continue;
    const found = find(inode);
    files.push({ ...found, place: placeOf(found.file), at: index * digestBytes });
  }
  files.sort(
    ({ order: one, place: a, at: first }, { order: two, place: b, at: second }) =>
      one - two || a.device - b.device || a.position - b.position || first - second,
  );
  let last: (typeof files)[number] | undefined;
  for (const next of files) {
    if (last?.order === next.order && isSameData(last.file, next.file)) {
      digests.copyWithin(next.at, last.at, last.at + digestBytes);
    } else {
      const hash = createHash('sha256');
      for (const chunk of next.image.read(next.file)) {
        hash.update(chunk);
        if (pace.isDue) await pace.rest();
      }
      digests.set(hash.digest(), next.at);
    }
    if (pace.isDue) await pace.rest();
    last = next;
  }
  return digests;
}

interface Place {
  readonly device: number;
  readonly position: number;
}

function placeOf({ content }: FileInode<TreeData>): Place {
  switch (content.kind) {
    case 'plain':
    case 'inline':
      return { device: 0, position: content.start };
    case 'clusters':
      return { device: 0, position: content.position };
    case 'chunked':
    case 'compressed':
      break;
  }
  const devices = content.kind === 'chunked' ? content.devices : undefined;
  return { device: devices?.[0] ?? 0, position: content.starts[0] ?? 0 };
}

/** Whether two files share what is stored; the tail of an inline one is its own. */
function isSameData(a: FileInode<TreeData>, b: FileInode<TreeData>): boolean {
  if (a.size !== b.size) return false;
  if (a.content.kind === 'plain' && b.content.kind === 'plain') return a.content.start === b.content.start;
  if (a.content.kind !== 'chunked' || b.content.kind !== 'chunked') return false;
  const [first, second] = [a.content, b.content];
  return (
    first.chunkBytes === second.chunkBytes &&
    isSameList(first.starts, second.starts) &&
    isSameList(first.devices ?? [], second.devices ?? [])
  );
}

function isSameList(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}
