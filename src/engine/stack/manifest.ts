import type { Digest } from '../../oci/index.ts';
import type { StoredArtifact } from '../../store/index.ts';

/** A file of a stack, and what vouches for its every byte. */
export interface StackFile {
  /** Below the stack's directory. */
  readonly file: string;
  /** Bytes. */
  readonly size: number;
  readonly digest: Digest;
  /** Of its dm-verity tree of sha256, blocks of 4096 bytes and no salt, in hex; absent where it is no whole number of blocks. */
  readonly rootHash?: string;
  /** As fs-verity measures it: sha256, blocks of 4096 bytes, no salt. */
  readonly fsverity: string;
  /** Where its hash tree is, if it has one: in the file itself, or in one beside it, and where in that it begins, in bytes. */
  readonly hashFile?: string;
  readonly hashOffset?: number;
}

export interface StackLayer {
  readonly diffId: Digest;
  /** The layer as one EROFS, or its index where `tar` is there. Absent where nothing mounts it alone. */
  readonly image?: StackFile;
  /** The layer's tar as it is. */
  readonly tar?: StackFile;
}

/**
 * What a stack consists of, and how it is mounted. It follows from the image and the form: the same on every machine.
 * It lies in the stack's directory as `stack.json`.
 */
export interface StackManifest {
  readonly schemaVersion: 1;
  readonly mediaType: 'application/vnd.shale.stack.v1+json';
  readonly image: { readonly manifest?: Digest; readonly config: Digest; readonly platform: string };
  /** Of the image, oldest first. A layer that the image has twice stands here twice. */
  readonly layers: readonly StackLayer[];
  /** Mount each of `lowers` as EROFS (with its tar as `device=` if it has one), then an overlay of the directories. */
  readonly overlay?: {
    readonly head: StackFile;
    /** The files to be lower directories, uppermost first, as `lowerdir=` wants them. If there is only one, it is all. */
    readonly lowers: readonly { readonly file: string; readonly device?: string }[];
  };
  /** Mount `image` as EROFS with a `device=` for each of `devices`, in this order. */
  readonly merged?: { readonly image: StackFile; readonly devices: readonly string[] };
}

export const stackMediaType = 'application/vnd.shale.stack.v1+json';
export const manifestName = 'stack.json';

export function describeFile(file: string, artifact: StoredArtifact): StackFile {
  const { size, digest, rootHash, fsverity } = artifact;
  return { file, size, digest, ...(rootHash !== undefined && { rootHash }), fsverity: fsverity! };
}

/** All files of a stack, each once. */
export function filesOf({ layers, overlay, merged }: StackManifest): readonly StackFile[] {
  const all = [...layers.flatMap(({ image, tar }) => [image, tar]), overlay?.head, merged?.image];
  return [...new Map(all.flatMap(file => (file === undefined ? [] : [[file.file, file]]))).values()];
}

/** The same manifest with other things said of its files; `described` is by their names. */
export function redescribe(
  manifest: StackManifest,
  described: ReadonlyMap<string, StackFile>,
): StackManifest {
  const of = ({ file }: StackFile) => described.get(file)!;
  const { layers, overlay, merged } = manifest;
  return {
    ...manifest,
    layers: layers.map(({ diffId, image, tar }) => ({
      ...{ diffId, ...(image && { image: of(image) }), ...(tar && { tar: of(tar) }) },
    })),
    ...(overlay && { overlay: { ...overlay, head: of(overlay.head) } }),
    ...(merged && { merged: { ...merged, image: of(merged.image) } }),
  };
}

/** As it is written: for people, and for tools that compare. */
export function formatManifest(manifest: StackManifest): string {
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}
