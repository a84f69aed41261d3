import { mkdirSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { isErrno } from '../error/index.ts';
import { syncDirectoryNow } from '../host/index.ts';
import { type Digest, digestAlgorithm, digestHex, OciError, parseDigest } from '../oci/index.ts';

/** Where things lie below the root of the cache. */
export class Layout {
  readonly root: string;

  constructor(root: string) {
    this.root = resolve(root);
  }

  /** The marker of an OCI image layout. */
  get marker(): string {
    return join(this.root, 'oci-layout');
  }

  get index(): string {
    return join(this.root, 'index.json');
  }

  get database(): string {
    return join(this.root, 'shale.db');
  }

  /** Held while the layout or the database is created or rebuilt. */
  get lock(): string {
    return join(this.root, 'shale.lock');
  }

  get blobs(): string {
    return join(this.root, 'blobs');
  }

  get layers(): string {
    return join(this.root, 'layers');
  }

  get ingests(): string {
    return join(this.root, 'ingest');
  }

  get artifacts(): string {
    return join(this.root, 'artifacts');
  }

  /** By the key of an artifact: directories that were made of it, by name. */
  get warm(): string {
    return join(this.root, 'warm');
  }

  /** The first root filesystems of kernels, which can be made again. Another module's. */
  get initramfs(): string {
    return join(this.root, 'initramfs');
  }

  /** What is others' alone, and never goes here. */
  get foreign(): { readonly kernels: string; readonly volumes: string; readonly zones: string } {
    const { root } = this;
    return { kernels: join(root, 'kernels'), volumes: join(root, 'volumes'), zones: join(root, 'zones') };
  }

  get leases(): string {
    return join(this.root, 'leases');
  }

  /** What gc took away, on its way out. */
  get trash(): string {
    return join(this.root, 'trash');
  }

  /** Room for the day when the disk is full. */
  get reserve(): string {
    return join(this.root, 'reserve');
  }

  blob(digest: Digest): string {
    return join(this.blobs, digestAlgorithm(digest), digestHex(digest));
  }

  layerIndex(diffId: Digest): string {
    return join(this.layers, digestAlgorithm(diffId), digestHex(diffId));
  }

  ingest(digest: Digest): { readonly part: string; readonly state: string; readonly lock: string } {
    const base = join(this.ingests, `${digestAlgorithm(digest)}-${digestHex(digest)}`);
    return { part: `${base}.part`, state: `${base}.state`, lock: `${base}.lock` };
  }

  artifact(file: string): string {
    return join(this.artifacts, file);
  }

  /** Held by whoever makes the artifact of that key. */
  artifactLock(key: string): string {
    return join(this.artifacts, `.${key}.lock`);
  }

  lease(id: string): string {
    return join(this.leases, id);
  }
}

const synced = new Set<string>();

/** Makes a directory (0700), durable in its parent, if it is not there. */
export function ensureDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    // Another process may have made it a moment ago, and not have synced it yet.
    if (synced.has(path)) return;
  }
  syncDirectoryNow(dirname(path));
  synced.add(path);
}

/** The names in a directory, sorted; none where nothing is, or no directory. */
export function listNames(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

/** The digest that two names of files make; `undefined` if they are not such names. */
export function findDigest(text: string): Digest | undefined {
  try {
    return parseDigest(text);
  } catch (error) {
    if (error instanceof OciError) return undefined;
    throw error;
  }
}
