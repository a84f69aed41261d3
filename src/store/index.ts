/**
 * The cache: an OCI image layout that other tools can read, with layer indexes and rendered artifacts beside it, and a
 * database of what files cannot say.
 *
 *     ROOT/oci-layout  index.json     the layout; index.json is derived from the database
 *     ROOT/blobs/ALGORITHM/HEX        immutable; only complete, verified blobs ever have such a name
 *     ROOT/ingest/ALGORITHM-HEX.part  a blob on its way; .state says what of it is there, .lock who is at it
 *     ROOT/layers/ALGORITHM/HEX       what was made of a layer, by its diffID
 *     ROOT/artifacts/KEY.EXT          made of images, or of layers, for all images that have them; read-only. Hash trees are beside
 *                                     them, as KEY.EXT.verity; .KEY.lock is held by whoever makes one
 *     ROOT/warm/KEY/NAME/             what was made of an artifact to start something faster; a lock in it says who uses it
 *     ROOT/leases/ID                  locked while its process lives
 *     ROOT/trash                      what gc has taken away and not yet deleted
 *     ROOT/reserve                    room for gc and rm on a disk that is full
 *     ROOT/shale.db                   images, artifacts, leases, times of use (SQLite, write-ahead log)
 *
 * Other modules have directories there: of `initramfs` gc takes what was not read for a day; `kernels`, `volumes` and `zones`
 * are only measured.
 *
 * Any number of processes share it. Three things keep them apart: a blob is fetched by whoever holds the lock of its
 * ingest, and a layer's artifact is made by whoever holds that of its key; rows change in transactions, and gc decides and
 * removes in one; what is not yet in any row is protected by a lease, whose row comes before the files and whose lock says
 * that its process lives.
 *
 * A crash at any instant leaves a cache that works. Files are synced and renamed before a row names them, and rows go before
 * files do, so no row ever names what is not there. What is there and not named is litter, for gc. index.json follows each
 * change of images, and a flag in the same transaction says that it has yet to. A database that is lost or damaged is made
 * anew from index.json.
 *
 * Of each artifact the database has all that vouches for it: the file's digest, dm-verity's root hash, fs-verity's digest. One
 * may be linked to from outside, where the disk allows, and be sealed: then only its name here goes.
 *
 * The store knows digests, and not where blobs come from, nor what a layer index or an artifact holds. What was made of an
 * artifact, its tree and its directories, shares its fate: the same gc takes them all.
 */
export type { StoredArtifact } from './artifact.ts';
export type { ArtifactDraft, MadeArtifact } from './artifact-draft.ts';
export { type ArtifactKey, type ArtifactSubject, formatArtifactKey, subjectDigest } from './artifact-key.ts';
export type { StoredKind } from './candidate.ts';
export { StoreError } from './error.ts';
export type { Failpoint, Reach } from './failpoint.ts';
export type { Damage, FsckOptions, FsckReport } from './fsck.ts';
export type { GcItem, GcOptions, GcReport } from './gc.ts';
export {
  blobsOf,
  describeImage,
  type ImageName,
  type NewImage,
  type StoredBlob,
  type StoredImage,
  type StoredLayer,
} from './image.ts';
export type { Ingest, WantedBlob } from './ingest.ts';
export type { Lease } from './lease.ts';
export type { LinkKind, LinkOptions } from './link-artifact.ts';
export type { StoreOptions } from './open.ts';
export { openStoreReader, StoreReader } from './reader.ts';
export type { Removal } from './removal.ts';
export { openStore, Store } from './store.ts';
export { putTwin } from './twin.ts';
export type { ImageUsage, UsageKind, UsageReport, UsageRow } from './usage.ts';
export type { StoredVerity } from './verity.ts';
