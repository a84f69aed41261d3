import type { ImageOptions, WarningSummary } from '../engine/index.ts';

export interface PullResult {
  readonly reference: string;
  readonly digest: string;
  readonly manifestDigest: string;
  readonly platform: string;
  readonly layers: readonly { readonly digest: string; readonly size: number; readonly cached: boolean }[];
  readonly downloadedBytes: number;
  readonly artifact?:
    | {
        readonly path: string;
        readonly format: string;
        readonly bytes: number;
        readonly digest: string;
        readonly reused: boolean;
      }
    | undefined;
  readonly upToDate: boolean;
  readonly warnings: WarningSummary;
}
export interface CopiedBlob {
  readonly digest: string;
  readonly size: number;
  readonly how: 'pushed' | 'mounted' | 'exists' | 'copied';
}
export interface PushResult {
  readonly reference: string;
  readonly digest: string;
  readonly blobs: readonly CopiedBlob[];
}
export interface CopyResult {
  readonly digest: string;
  readonly blobs: readonly CopiedBlob[];
  readonly bytes: number;
}
export interface CachedImage {
  readonly reference: string;
  readonly platform: string;
  readonly digest: string;
  readonly manifestDigest: string;
  readonly size: number;
  readonly artifacts: readonly { readonly format: string; readonly bytes: number }[];
  readonly pulled: string;
  readonly used: string;
}
export interface GcItem {
  readonly kind: string;
  readonly name: string;
  readonly bytes: number;
  readonly reason: string;
}
export interface GcReport {
  readonly removed: readonly GcItem[];
  readonly kept: readonly GcItem[];
  readonly freedBytes: number;
}
export interface FsckReport {
  readonly checked: number;
  readonly bytes: number;
  readonly damaged: readonly {
    readonly kind: string;
    readonly name: string;
    readonly problem: string;
    readonly action: 'none' | 'dropped' | 'refetched' | 'repaired';
  }[];
}
export interface UsageReport {
  readonly root: string;
  readonly rows: readonly {
    readonly kind: string;
    readonly count: number;
    readonly bytes: number;
    readonly reclaimable: number;
  }[];
  readonly images: readonly {
    readonly reference: string;
    readonly platform: string;
    readonly size: number;
    readonly unique: number;
    readonly artifacts: number;
  }[];
}
export interface RemoveResult {
  readonly reference: string;
  readonly platform?: string;
}
export interface Engine {
  pull(reference: string, options: ImageOptions & Record<string, unknown>): Promise<PullResult>;
  push(image: string, target: string | undefined, options: object): Promise<PushResult>;
  copy(source: string, target: string, options: object): Promise<CopyResult>;
  listImages(options: object): Promise<readonly CachedImage[]>;
  removeImages(references: readonly string[], options: object): Promise<readonly RemoveResult[]>;
  tagImage(source: string, name: string, options: object): Promise<unknown>;
  collectGarbage(options: object): Promise<GcReport>;
  checkCache(options: object): Promise<FsckReport>;
  diskUsage(options: object): Promise<UsageReport>;
}
export async function engine<Name extends keyof Engine>(file: string, name: Name): Promise<Engine[Name]> {
  const module = (await import(new URL(`../engine/${file}.ts`, import.meta.url).href)) as Engine;
  return module[name].bind(module) as Engine[Name];
}
