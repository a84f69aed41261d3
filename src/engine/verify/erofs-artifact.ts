import { createHash } from 'node:crypto';
import type { TreeData } from '../../erofs/index.ts';
import type { FileInode } from '../../tree/index.ts';
import { ErofsFile } from '../erofs-file.ts';
import type { Artifact } from './artifact.ts';
import { digestBytes } from './content-digests.ts';
import type { Pace } from './pace.ts';

/** Files are hashed in the order in which they lie in the image, or on its devices. */
export async function readErofsArtifact(path: string, pace: Pace): Promise<Artifact> {
  using file = new ErofsFile(path);
  const { image } = file;
  const tree = image.tree();
  const digests = new Uint8Array(tree.nodes.length * digestBytes);
  const files: { readonly inode: FileInode<TreeData>; readonly place: Place; readonly at: number }[] = [];
  for (const { inode, index } of tree.nodes) {
    if (inode.type === 'file') files.push({ inode, place: placeOf(inode), at: index * digestBytes });
  }
  files.sort(
    ({ place: a, at: first }, { place: b, at: second }) =>
      a.device - b.device || a.position - b.position || first - second,
  );
  let last: (typeof files)[number] | undefined;
  for (const next of files) {
    if (last !== undefined && isSameData(last.inode, next.inode)) {
      digests.copyWithin(next.at, last.at, last.at + digestBytes);
    } else {
      const hash = createHash('sha256');
      for (const chunk of image.read(next.inode)) {
        hash.update(chunk);
        if (pace.isDue) await pace.rest();
      }
      digests.set(hash.digest(), next.at);
    }
    if (pace.isDue) await pace.rest();
    last = next;
  }
  return { tree, digests, strays: [] };
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
