import { mediaTypes } from '../../src/oci/index.ts';
import { type Fields, type Files, sha256 } from '../archive/fixture.ts';

export interface StoredManifest {
  readonly mediaType: string;
  readonly bytes: Buffer;
}

interface Repository {
  readonly blobs: Set<string>;
  readonly manifests: Map<string, StoredManifest>;
  readonly tags: Map<string, string>;
}

/** What was put into a registry, as a test will look for it. */
export interface PutImage {
  readonly repository: string;
  readonly tag: string | undefined;
  /** What the tag names: the layout's index, or its one manifest. */
  readonly digest: string;
  readonly manifest: { readonly digest: string; readonly bytes: Buffer };
  readonly config: string;
  readonly layers: readonly { readonly digest: string; readonly size: number }[];
}

/** What the fake registry holds; blobs are shared, repositories say which of them they know. */
export class Contents {
  readonly blobs = new Map<string, Buffer>();
  readonly repositories = new Map<string, Repository>();

  repository(name: string): Repository {
    const known = this.repositories.get(name);
    if (known) return known;
    const created = { blobs: new Set<string>(), manifests: new Map(), tags: new Map() };
    this.repositories.set(name, created);
    return created;
  }

  putBlob(repository: string, bytes: Uint8Array): string {
    const digest = `sha256:${sha256(bytes)}`;
    this.blobs.set(digest, Buffer.from(bytes));
    this.repository(repository).blobs.add(digest);
    return digest;
  }

  /** Nothing of it is looked at, so it may be any nonsense. */
  putManifest(
    repository: string,
    mediaType: string,
    content: Uint8Array | object | string,
    tag?: string,
  ): string {
    const bytes =
      content instanceof Uint8Array
        ? Buffer.from(content)
        : Buffer.from(typeof content === 'string' ? content : JSON.stringify(content));
    const digest = `sha256:${sha256(bytes)}`;
    const { manifests, tags } = this.repository(repository);
    manifests.set(digest, { mediaType, bytes });
    if (tag !== undefined) tags.set(tag, digest);
    return digest;
  }

  /**
   * Everything of a layout: its first manifest under `tag`, indexes and their manifests too, all else as blobs. Says what
   * the first image manifest is; of an index, it is that of its first entry.
   */
  putLayout(repository: string, files: Files, tag?: string): PutImage {
    const manifestTypes: readonly string[] = [
      mediaTypes.manifest,
      mediaTypes.index,
      'application/vnd.docker.distribution.manifest.v2+json',
      'application/vnd.docker.distribution.manifest.list.v2+json',
    ];
    const blobOf = (digest: string) => files.map.get(`blobs/${digest.replace(':', '/')}`) ?? Buffer.alloc(0);
    const found: { digest: string; bytes: Buffer; document: ManifestFields }[] = [];
    const visit = (fields: Fields, name?: string) => {
      const digest = String(fields.digest);
      const bytes = blobOf(digest);
      const document = JSON.parse(bytes.toString()) as ManifestFields;
      this.putManifest(repository, String(fields.mediaType), bytes, name);
      if (document.config !== undefined) found.push({ digest, bytes, document });
      for (const child of document.manifests ?? []) visit(child);
    };
    const index = JSON.parse(String(files.map.get('index.json'))) as { manifests: Fields[] };
    for (const [at, fields] of index.manifests.entries()) {
      if (manifestTypes.includes(String(fields.mediaType))) visit(fields, at === 0 ? tag : undefined);
    }
    const { manifests } = this.repository(repository);
    for (const [name, bytes] of files.map) {
      const digest = name.replace(/^blobs\/(\w+)\//, '$1:');
      if (!name.startsWith('blobs/') || manifests.has(digest)) continue;
      this.blobs.set(digest, bytes);
      this.repository(repository).blobs.add(digest);
    }
    const first = found[0];
    if (!first) throw new Error('the layout has no image');
    return {
      repository,
      tag,
      digest: String(index.manifests[0]?.digest),
      manifest: { digest: first.digest, bytes: first.bytes },
      config: first.document.config?.digest ?? '',
      layers: first.document.layers ?? [],
    };
  }
}

interface ManifestFields {
  readonly config?: { readonly digest: string };
  readonly layers?: readonly { readonly digest: string; readonly size: number }[];
  readonly manifests?: readonly Fields[];
}
