import type {
  Bytes,
  ContentOptions,
  Graph,
  GraphManifest,
  PushOptions,
  Transferred,
} from '../../content/index.ts';
import { type AtomicFile, createAtomicFile, startWriteback } from '../../host/index.ts';
import { type Descriptor, digestAlgorithm } from '../../oci/index.ts';
import { endOfArchive, formatHeader, padding, type TarEntry } from '../../tar/index.ts';
import { ArchiveError } from '../error.ts';
import { blobName } from '../walk.ts';
import { formatManifestJson, savedAnnotations } from './docker-manifest.ts';
import { formatEntry, formatIndex, layoutMarker, nameAnnotation } from './entry.ts';
import type { ImageTarget } from './target.ts';

export interface ArchiveTargetOptions {
  /** `docker-archive` is the same layout with Docker's manifest.json beside it. */
  readonly kind: 'oci-archive' | 'docker-archive';
  readonly path: string;
  /** A tag; of a docker-archive a reference in full. */
  readonly name: string | undefined;
  /** What a file that is already there means; `error` if not given. */
  readonly exists?: 'error' | 'replace' | undefined;
}

/** After so many bytes of a blob the disk is asked to start, so that the sync at the end has little left to do. */
const writebackStep = 8 * 1024 * 1024;

/** One member; `bytes` of those that are written at once. */
interface Member {
  readonly name: string;
  readonly size: number;
  readonly bytes?: Uint8Array;
}

/**
 * An OCI layout in a tar file. Names are sorted and times are zero, so an image is always the same file. The graph tells
 * all sizes, so each member's place is known before the first byte has come, and blobs are written side by side.
 */
export class ArchiveTarget implements ImageTarget {
  readonly place: string;
  readonly #options: ArchiveTargetOptions;
  #file: AtomicFile | undefined;
  /** Where the content of each member starts. */
  readonly #positions = new Map<string, number>();
  readonly #written = new Set<string>();

  constructor(options: ArchiveTargetOptions) {
    this.place = `${options.kind}:${options.path}`;
    this.#options = options;
  }

  /** ArchiveError `unsupported` for a graph that a docker-archive cannot hold: it knows single images only. */
  async begin(graph: Graph, _options: ContentOptions): Promise<void> {
    const members = listMembers(graph, this.#options);
    const { path, exists = 'error' } = this.#options;
    this.#file = await createAtomicFile(path, { exists });
    for (const { name, size, bytes } of members) {
      this.#file.append(formatHeader(formatMember(name, size)));
      this.#positions.set(name, this.#file.size);
      if (bytes !== undefined) this.#file.append(bytes);
      else if (size > 0) this.#file.truncate(this.#file.size + size);
      this.#file.append(padding(size));
    }
    this.#file.append(endOfArchive);
  }

  async pushBlob(
    blob: Descriptor,
    open: (offset: number) => Bytes,
    { onProgress }: PushOptions,
  ): Promise<Transferred> {
    const name = blobName(blob.digest);
    const start = this.#positions.get(name)!;
    let [taken, started] = [0, 0];
    for await (const chunk of open(0)) {
      this.#file!.writeAt(chunk, start + taken);
      taken += chunk.length;
      onProgress?.(taken);
      if (taken - started < writebackStep) continue;
      startWriteback(this.#file!.fd, start + started, taken - started);
      started = taken;
    }
    this.#written.add(name);
    return 'pushed';
  }

  async pushManifest({ descriptor, bytes }: GraphManifest): Promise<Transferred> {
    const name = blobName(descriptor.digest);
    this.#file!.writeAt(bytes, this.#positions.get(name)!);
    this.#written.add(name);
    return 'pushed';
  }

  async commit(): Promise<void> {
    for (const name of this.#positions.keys()) {
      if (!name.startsWith('blobs/') || name.endsWith('/') || this.#written.has(name)) continue;
      throw new ArchiveError('internal', `${this.place}: ${name} was never written`);
    }
    await this.#file!.commit();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.[Symbol.asyncDispose]();
  }
}

function listMembers(graph: Graph, { kind, name }: ArchiveTargetOptions): Member[] {
  const docker = kind === 'docker-archive';
  const annotations = docker ? savedAnnotations(name) : name === undefined ? {} : { [nameAnnotation]: name };
  const entries = [
    formatEntry(graph.root.descriptor, annotations),
    ...graph.referrers.map(entry => formatEntry(entry)),
  ];
  const contents = [...graph.blobs, ...graph.manifests.map(({ descriptor }) => descriptor)];
  const directories = new Set(contents.map(({ digest }) => `blobs/${digestAlgorithm(digest)}/`));
  const document = (name: string, bytes: Uint8Array) => ({ name, size: bytes.length, bytes });
  const members: Member[] = [
    ...['blobs/', ...directories].map(name => ({ name, size: 0 })),
    ...contents.map(({ digest, size }) => ({ name: blobName(digest), size })),
    document('index.json', formatIndex(entries)),
    document('oci-layout', layoutMarker),
  ];
  if (docker) members.push(document('manifest.json', formatManifestJson(graph, name)));
  return members.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function formatMember(path: string, size: number): TarEntry {
  const isDirectory = path.endsWith('/');
  return {
    type: isDirectory ? 'directory' : 'file',
    path,
    linkpath: '',
    size,
    mode: isDirectory ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    mtime: { seconds: 0, nanoseconds: 0 },
    major: 0,
    minor: 0,
    xattrs: new Map(),
  };
}
