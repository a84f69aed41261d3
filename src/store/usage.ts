import { lstatSync } from 'node:fs';
import { listArtifacts } from './artifact.ts';
import { subjectDigest } from './artifact-key.ts';
import { diskBytes } from './candidate.ts';
import type { Catalogue } from './catalogue.ts';
import { collect, type GcItem } from './gc.ts';
import { blobsOf, type ImageName, type StoredImage } from './image.ts';
import { listNames } from './layout.ts';
import { listVerity } from './verity.ts';

export const usageKinds = [
  ...(['blobs', 'artifacts', 'indexes', 'ingests'] as const),
  ...(['warm', 'initramfs', 'kernels', 'volumes', 'zones', 'database'] as const),
] as const;
export type UsageKind = (typeof usageKinds)[number];

export interface UsageRow {
  readonly kind: UsageKind;
  readonly count: number;
  readonly bytes: number;
  /** What gc would free of it now. */
  readonly reclaimable: number;
}

export interface ImageUsage extends ImageName {
  /** Bytes of its blobs, each once. */
  readonly size: number;
  /** Of these, what no other image of the cache has. The same image under two names is one. */
  readonly unique: number;
  /** Bytes of its artifacts, of those of its layers, and of their hash trees. */
  readonly artifacts: number;
  /** Of these, what other images of the cache need as well: of layers that they share. */
  readonly sharedArtifacts: number;
}

export interface UsageReport {
  readonly root: string;
  readonly rows: readonly UsageRow[];
  readonly images: readonly ImageUsage[];
}

/** What takes the room: each file once, however many images share it. */
export function measureUsage(catalogue: Catalogue): UsageReport {
  const { removed, kept } = collect(catalogue, { dryRun: true });
  const row = (kind: UsageKind, ...kinds: readonly string[]): UsageRow => {
    const of = (items: readonly GcItem[]) => items.filter(item => kinds.includes(item.kind));
    const sum = (items: readonly GcItem[]) => of(items).reduce((total, { bytes }) => total + bytes, 0);
    return {
      kind,
      count: of(removed).length + of(kept).length,
      bytes: sum(removed) + sum(kept),
      reclaimable: sum(removed),
    };
  };
  return {
    root: catalogue.layout.root,
    rows: [
      row('blobs', 'blob'),
      row('artifacts', 'artifact', 'verity'),
      row('indexes', 'index'),
      row('ingests', 'ingest', 'temporary'),
      row('warm', 'warm'),
      row('initramfs', 'initramfs'),
      ...measureForeign(catalogue),
      measureDatabase(catalogue),
    ],
    images: measureImages(catalogue),
  };
}

/** What takes room in the root and is none of the cache's business. */
function measureForeign({ layout }: Catalogue): UsageRow[] {
  return (['kernels', 'volumes', 'zones'] as const).map(kind => {
    const directory = layout.foreign[kind];
    const names = listNames(directory).filter(name => !name.startsWith('.'));
    return { kind, count: names.length, bytes: diskBytes(directory), reclaimable: 0 };
  });
}

function measureDatabase({ layout }: Catalogue): UsageRow {
  const files = ['', '-wal', '-shm'].map(suffix => layout.database + suffix);
  const sizes = [...files, layout.index].map(path => lstatSync(path, { throwIfNoEntry: false })?.size ?? 0);
  return { kind: 'database', count: 1, bytes: sizes.reduce((sum, size) => sum + size, 0), reclaimable: 0 };
}

function measureImages(catalogue: Catalogue): ImageUsage[] {
  const images = catalogue.images.all();
  const [blobs, layers] = [new Owners(), new Owners()];
  for (const image of images) {
    for (const { digest } of blobsOf(image)) blobs.add(digest, image);
    for (const { diffId } of image.layers) layers.add(diffId, image);
  }
  const artifacts = new Map<string, number>();
  const trees = new Map(listVerity(catalogue).map(({ key, size }) => [key, size]));
  for (const artifact of listArtifacts(catalogue)) {
    const subject = subjectDigest(artifact);
    const bytes = artifact.size + (trees.get(artifact.key) ?? 0);
    artifacts.set(subject, (artifacts.get(subject) ?? 0) + bytes);
  }
  const bytesOf = (digests: readonly string[]) =>
    digests.reduce((sum, digest) => sum + (artifacts.get(digest) ?? 0), 0);
  return images.map(image => {
    const diffIds = [...new Set(image.layers.map(({ diffId }) => diffId))];
    return {
      reference: image.reference,
      platform: image.platform,
      size: image.size,
      unique: blobsOf(image)
        .filter(({ digest }) => !blobs.isShared(digest))
        .reduce((sum, { size }) => sum + size, 0),
      artifacts: bytesOf([image.manifest, ...diffIds]),
      sharedArtifacts: bytesOf(diffIds.filter(diffId => layers.isShared(diffId))),
    };
  });
}

/** Which images need a thing; the same one under two names counts once. */
class Owners {
  readonly #manifests = new Map<string, Set<string>>();

  add(digest: string, { manifest }: StoredImage): void {
    const found = this.#manifests.get(digest);
    if (found === undefined) this.#manifests.set(digest, new Set([manifest]));
    else found.add(manifest);
  }

  isShared(digest: string): boolean {
    return this.#manifests.get(digest)!.size > 1;
  }
}
