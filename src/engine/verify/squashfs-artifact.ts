import { createHash } from 'node:crypto';
import { ImageFile } from '../../host/image-file.ts';
import { type FileData, openSquashfs } from '../../squashfs/index.ts';
import type { FileInode } from '../../tree/index.ts';
import type { Artifact } from './artifact.ts';
import { digestBytes } from './content-digests.ts';
import type { Pace } from './pace.ts';

/** Files are hashed in the order in which they lie in the image, so that each fragment block is decoded about once. */
export async function readSquashfsArtifact(path: string, pace: Pace): Promise<Artifact> {
  using file = new ImageFile(path);
  using image = openSquashfs(file);
  const tree = image.tree();
  const digests = new Uint8Array(tree.nodes.length * digestBytes);
  const files: { readonly inode: FileInode<FileData>; readonly at: number }[] = [];
  for (const { inode, index } of tree.nodes) {
    if (inode.type === 'file') files.push({ inode, at: index * digestBytes });
  }
  files.sort((a, b) => inStoredOrder(a.inode, b.inode));
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

type Stored = FileInode<FileData>;

function inStoredOrder({ content: a }: Stored, { content: b }: Stored): number {
  const inFragment = Number(a.blocks.length > 0) - Number(b.blocks.length > 0);
  if (inFragment !== 0) return inFragment;
  if (a.blocks.length > 0 && a.start !== b.start) return a.start - b.start;
  const fragment = (a.fragment?.index ?? -1) - (b.fragment?.index ?? -1);
  return fragment === 0 ? (a.fragment?.offset ?? 0) - (b.fragment?.offset ?? 0) : fragment;
}

function isSameData(a: Stored, b: Stored): boolean {
  return (
    a.size === b.size &&
    inStoredOrder(a, b) === 0 &&
    a.content.blocks.every((word, index) => word === b.content.blocks[index])
  );
}
