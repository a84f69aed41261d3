import { mkdir, readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type {
  Bytes,
  ContentOptions,
  Graph,
  GraphManifest,
  PushOptions,
  Transferred,
} from '../../content/index.ts';
import { readSmall } from '../../content/index.ts';
import { wrapErrno } from '../../error/index.ts';
import { createAtomicFile, syncDirectory } from '../../host/index.ts';
import { type Descriptor, digestAlgorithm, JsonView, parseJson } from '../../oci/index.ts';
import { ArchiveError } from '../error.ts';
import { DirectoryMedium, findStatus } from '../medium.ts';
import { blobName } from '../walk.ts';
import { formatEntry, formatIndex, type JsonEntry, layoutMarker, nameAnnotation } from './entry.ts';
import { lockLayout, lockName } from './layout-lock.ts';
import type { ImageTarget } from './target.ts';

/** After so many bytes of a blob the disk is asked to start, so that the sync at the end has little left to do. */
const writebackStep = 8 * 1024 * 1024;

/** What a layout that never got its first image may consist of. */
const beginnings = new Set(['blobs', 'oci-layout', lockName]);

/**
 * An OCI layout directory (OCI image-spec, image-layout.md), created or added to. Blobs become visible whole and
 * durable, one by one; the commit replaces index.json under a lock, where the tag moves and all other entries stay as
 * they were. A copy that fails leaves at most blobs that nothing names yet, and the next one uses them.
 */
export class LayoutTarget implements ImageTarget {
  readonly place: string;
  readonly #path: string;
  readonly #tag: string | undefined;
  #graph: Graph | undefined;
  #signal: AbortSignal | undefined;

  constructor(path: string, tag: string | undefined) {
    this.place = `oci:${path}`;
    this.#path = resolve(path);
    this.#tag = tag;
  }

  /** ArchiveError `invalid` if the path is something else than a layout or an empty directory. */
  async begin(graph: Graph, { signal }: ContentOptions): Promise<void> {
    this.#graph = graph;
    this.#signal = signal;
    await this.#checkPath();
    const contents = [...graph.blobs, ...graph.manifests.map(({ descriptor }) => descriptor)];
    const algorithms = new Set(['sha256', ...contents.map(({ digest }) => digestAlgorithm(digest))]);
    try {
      for (const algorithm of algorithms) await createDirectories(join(this.#path, 'blobs', algorithm));
    } catch (error) {
      throw wrapErrno(error, `cannot create ${this.#path}`);
    }
  }

  async pushBlob(
    blob: Descriptor,
    open: (offset: number) => Bytes,
    { onProgress }: PushOptions,
  ): Promise<Transferred> {
    if (await this.#isThere(blob)) return 'exists';
    await using file = await createAtomicFile(this.#pathOf(blob), { exists: 'replace' });
    let started = 0;
    for await (const chunk of open(0)) {
      file.append(chunk);
      if (file.size - started >= writebackStep) {
        started = file.size;
        file.startWriteback();
      }
      onProgress?.(file.size);
    }
    await file.commit();
    return 'pushed';
  }

  async pushManifest({ descriptor, bytes }: GraphManifest): Promise<Transferred> {
    if (await this.#isThere(descriptor)) return 'exists';
    await this.#write(this.#pathOf(descriptor), bytes);
    return 'pushed';
  }

  async commit(): Promise<void> {
    const { root, referrers } = this.#graph!;
    using lock = await lockLayout(this.#path, this.#signal);
    const marker = join(this.#path, 'oci-layout');
    if ((await findStatus(marker)) === undefined) await this.#write(marker, layoutMarker);
    const index = await this.#readIndex();
    const named = this.#tag === undefined ? {} : { [nameAnnotation]: this.#tag };
    const replaced = new Set<unknown>(referrers.map(({ digest }) => digest));
    const kept = index.entries.filter(entry => {
      const name = nameOf(entry);
      if (name !== undefined) return name !== this.#tag;
      return (
        !replaced.has(entry.digest) && (this.#tag !== undefined || entry.digest !== root.descriptor.digest)
      );
    });
    const added = [formatEntry(root.descriptor, named), ...referrers.map(entry => formatEntry(entry))];
    await this.#write(join(this.#path, 'index.json'), formatIndex([...kept, ...added], index.rest));
    lock.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #checkPath(): Promise<void> {
    const status = await findStatus(this.#path);
    if (status === undefined) return;
    if (!status.isDirectory()) {
      throw new ArchiveError('invalid', `${this.#path} is a file, not an OCI layout directory`, {
        hint: 'for a tar file give oci-archive: or docker-archive:',
      });
    }
    let names: string[];
    try {
      names = await readdir(this.#path);
    } catch (error) {
      throw wrapErrno(error, `cannot read ${this.#path}`);
    }
    if (names.includes('shale.db')) {
      throw new ArchiveError('invalid', `${this.#path} is a cache of Shale's`, { hint: 'copy to cache:REF' });
    }
    if (names.includes('oci-layout') || names.every(name => beginnings.has(name))) return;
    throw new ArchiveError('invalid', `${this.#path} holds something else than an OCI layout`, {
      detail: { path: this.#path },
      hint: 'name a new or an empty directory',
    });
  }

  /** By its size: what lies under a digest was verified when it was written. */
  async #isThere(descriptor: Descriptor): Promise<boolean> {
    const status = await findStatus(this.#pathOf(descriptor));
    return status?.isFile() === true && status.size === descriptor.size;
  }

  #pathOf({ digest }: Descriptor): string {
    return join(this.#path, blobName(digest));
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    await using file = await createAtomicFile(path, { exists: 'replace' });
    file.append(bytes);
    await file.commit();
  }

  /** As it stands: what other tools have put there is not ours to understand. */
  async #readIndex(): Promise<{ entries: JsonEntry[]; rest: JsonEntry }> {
    const location = await new DirectoryMedium(this.#path).find('index.json');
    if (location === undefined) return { entries: [], rest: {} };
    const where = join(this.#path, 'index.json');
    const view = new JsonView(parseJson(await readSmall(location), where), where);
    const { manifests, ...rest } = view.fields;
    return { entries: view.objects('manifests').map(({ fields }) => fields), rest };
  }
}

function nameOf({ annotations }: JsonEntry): unknown {
  return (annotations as JsonEntry | null | undefined)?.[nameAnnotation];
}

/** `mkdir -p`, durable. */
async function createDirectories(path: string): Promise<void> {
  let made = await mkdir(path, { recursive: true });
  if (made === undefined) return;
  // From the last that was there already down to the new ones' last parent.
  made = dirname(made);
  for (let directory = dirname(path); ; directory = dirname(directory)) {
    await syncDirectory(directory);
    if (directory === made || directory === dirname(directory)) return;
  }
}
