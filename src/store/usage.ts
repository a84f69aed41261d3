import { lstatSync } from 'node:fs';
import { listArtifacts } from './artifact.ts';
import { diskBytes } from './candidate.ts';
import type { Catalogue } from './catalogue.ts';
import { collect, type GcItem } from './gc.ts';
import { blobsOf, type ImageName } from './image.ts';
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
  /** Bytes of its artifacts and their hash trees. */
  readonly artifacts: number;
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
  const owners = new Map<string, Set<string>>();
  for (const image of images) {
    for (const { digest } of blobsOf(image)) {
      const found = owners.get(digest);
      if (found === undefined) owners.set(digest, new Set([image.manifest]));
      else found.add(image.manifest);
    }
  }
  const artifacts = new Map<string, number>();
  const trees = new Map(listVerity(catalogue).map(({ key, size }) => [key, size]));
  for (const { key, manifest, size } of listArtifacts(catalogue)) {
    artifacts.set(manifest, (artifacts.get(manifest) ?? 0) + size + (trees.get(key) ?? 0));
  }
  return images.map(image => ({
    reference: image.reference,
    platform: image.platform,
    size: image.size,
    unique: blobsOf(image)
      .filter(({ digest }) => owners.get(digest)?.size === 1)
      .reduce((sum, { size }) => sum + size, 0),
    artifacts: artifacts.get(image.manifest) ?? 0,
  }));
}
