import type { Digest } from '../oci/index.ts';
import type { Catalogue } from './catalogue.ts';
import { blobsOf, type StoredImage } from './image.ts';
import { deadLeaseLife, type LeaseRecord, readLeases } from './lease.ts';

/** Why things are kept, by digest. What has no reason here goes. */
export interface Marks {
  readonly blobs: ReadonlyMap<string, string>;
  /** By diffID. */
  readonly layers: ReadonlyMap<string, string>;
  /** By the digest of a manifest: its artifacts stay. */
  readonly manifests: ReadonlyMap<string, string>;
  /** The ids of the leases that count. */
  readonly leases: ReadonlyMap<string, string>;
  /** Leases of dead processes, whose day is over. */
  readonly expired: readonly LeaseRecord[];
}

/** Inside a transaction, so that no lease and no image appears while it is looked at what they need. */
export function mark(catalogue: Catalogue, options: { readonly all: boolean; readonly now: number }): Marks {
  const [blobs, layers, manifests] = [new Reasons(), new Reasons(), new Reasons()];
  for (const image of catalogue.images.all()) {
    for (const { digest } of blobsOf(image)) blobs.refer(digest, image);
    blobs.refer(image.target, image);
    for (const { diffId } of image.layers) layers.refer(diffId, image);
    manifests.refer(image.manifest, image);
  }
  const leases = new Map<string, string>();
  const expired: LeaseRecord[] = [];
  // A living process is the better reason.
  const records = readLeases(catalogue).sort((a, b) => Number(b.live) - Number(a.live));
  for (const lease of records) {
    const end = lease.touched.getTime() + deadLeaseLife;
    if (!lease.live && (options.all || end <= options.now)) {
      expired.push(lease);
      continue;
    }
    const reason = lease.live
      ? `needed by a ${lease.purpose} that is going on`
      : `an interrupted ${lease.purpose} can be resumed until ${new Date(end).toISOString()}`;
    leases.set(lease.id, reason);
    for (const digest of lease.digests)
      for (const each of [blobs, layers, manifests]) each.lease(digest, reason);
  }
  return { blobs: blobs.texts(), layers: layers.texts(), manifests: manifests.texts(), leases, expired };
}

class Reasons {
  readonly #images = new Map<Digest, Set<string>>();
  readonly #leases = new Map<Digest, string>();

  refer(digest: Digest, { reference }: StoredImage): void {
    const found = this.#images.get(digest);
    if (found === undefined) this.#images.set(digest, new Set([reference]));
    else found.add(reference);
  }

  lease(digest: Digest, reason: string): void {
    if (!this.#leases.has(digest)) this.#leases.set(digest, reason);
  }

  texts(): Map<string, string> {
    const texts = new Map<string, string>(this.#leases);
    for (const [digest, references] of this.#images) {
      const [first] = references;
      const more = references.size === 1 ? '' : ` and ${references.size - 1} more`;
      texts.set(digest, `referenced by ${first}${more}`);
    }
    return texts;
  }
}
