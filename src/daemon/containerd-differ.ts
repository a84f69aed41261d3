import { randomBytes } from 'node:crypto';
import type { LayerLimits } from '../engine/limits.ts';
import { applyForeign } from '../engine/serve/apply.ts';
import { diffForeign } from '../engine/serve/diff.ts';
import type { Served } from '../engine/serve/open.ts';
import { mediaTypes } from '../oci/index.ts';
import type { Mount } from '../snapshot/mount.ts';
import type { Account } from './content/connection.ts';
import { ContentStore } from './content/content-store.ts';
import { Leases } from './content/leases.ts';
import type { ApplyOptions, BlobDescriptor, Client, Differ, DiffOptions } from './differ.ts';
import { DaemonError } from './error.ts';
import { namespaceOf } from './namespace.ts';

export interface ContainerdDifferOptions {
  readonly served: Served;
  /** The path of containerd's socket. */
  readonly address: string;
  readonly limits?: Partial<LayerLimits> | undefined;
}

/** By this label containerd finds the blob of which a snapshot was made. */
const uncompressedLabel = 'containerd.io/uncompressed';

/** Layers between containerd's content store and mounts. */
export class ContainerdDiffer implements Differ {
  readonly #options: ContainerdDifferOptions;
  readonly #content: ContentStore;
  readonly #leases: Leases;

  constructor(options: ContainerdDifferOptions) {
    this.#options = options;
    this.#content = new ContentStore(options.address);
    this.#leases = new Leases(options.address);
  }

  async apply(
    layer: BlobDescriptor,
    mounts: readonly Mount[],
    options: ApplyOptions,
  ): Promise<BlobDescriptor> {
    const { served, limits } = this.#options;
    const { signal, sync } = options;
    const account = this.#findAccount(options, mounts);
    const content = this.#content.read(layer.digest, { ...account, signal });
    const { diffId, size } = await applyForeign(served, { ...layer, content }, mounts, {
      limits,
      signal,
      sync,
    });
    return { mediaType: mediaTypes.layer, digest: diffId, size, annotations: {} };
  }

  async diff(
    older: readonly Mount[],
    newer: readonly Mount[],
    options: DiffOptions,
  ): Promise<BlobDescriptor> {
    const { signal, mediaType, sourceDateEpoch: epoch } = options;
    const account = this.#findAccount(options, newer);
    const latest =
      epoch === undefined
        ? undefined
        : { seconds: Math.floor(epoch / 1000), nanoseconds: Math.round((epoch % 1000) * 1e6) };
    return await diffForeign(
      this.#options.served,
      older,
      newer,
      { mediaType, latest, signal },
      async layer => {
        const { digest, size, diffId, path } = layer;
        // Nothing refers to the blob before the caller does, and collectors do not wait.
        const lease = account.lease ?? (await this.#leases.create({ ...account, signal }));
        await this.#content.put(
          {
            ...{ path, digest, size },
            reference: options.reference ?? `shale-diff-${randomBytes(8).toString('hex')}`,
            labels: { ...options.labels, [uncompressedLabel]: diffId },
          },
          { ...account, lease, signal },
        );
        return { mediaType: layer.mediaType, digest, size, annotations: {} };
      },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#content[Symbol.dispose]();
    this.#leases[Symbol.dispose]();
  }

  /** Whose content it is: the caller says, or else the name of the snapshot that is mounted. */
  #findAccount({ namespace, lease }: Client, mounts: readonly Mount[]): Account {
    if (namespace !== undefined) return { namespace, lease };
    const key = this.#options.served.snapshots.identify(mounts);
    const found = key === undefined ? undefined : namespaceOf(key);
    if (found !== undefined) return { namespace: found, lease };
    throw new DaemonError('invalid', 'nobody says which namespace the content is in', {
      hint: 'send the header containerd-namespace, as containerd 2 does, or use Shale as the snapshotter, too',
    });
  }
}
