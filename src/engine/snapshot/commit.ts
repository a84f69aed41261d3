import { join } from 'node:path';
import { applyInstructions, commitImage } from '../../commit/index.ts';
import { ShaleError, Warnings } from '../../error/index.ts';
import { createTemporaryDirectory, findDataRoot, temporaryRoot } from '../../host/index.ts';
import { type Compression, writeChangesLayer } from '../../layer/diff/index.ts';
import type { SnapshotInfo } from '../../snapshot/index.ts';
import { openStore } from '../../store/index.ts';
import { type CacheOptions, summarise, type WarningSummary } from '../options.ts';
import type { CommitResult } from '../zone/report.ts';
import { openSnapshotChanges } from './changes.ts';
import { labels } from './label.ts';
import { requireSubject } from './subject.ts';

export interface CommitRequest extends CacheOptions {
  readonly message?: string | undefined;
  readonly author?: string | undefined;
  /** Instructions of a Dockerfile, which change the config. */
  readonly changes?: readonly string[] | undefined;
  readonly compression?: Exclude<Compression, 'none'> | undefined;
  readonly strict?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes an image of what was written to a mounted image, or to a snapshot of one: the layers of its own, and one more. It stays mounted, and can be written
 * to meanwhile; what is written then may be in the image or not. ShaleError `not-found` if the cache does not have the image of which it is.
 */
export async function commitSnapshot(
  subject: string,
  name: string,
  request: CommitRequest = {},
): Promise<CommitResult & { readonly warnings: WarningSummary }> {
  const { root = findDataRoot(), message, author, changes = [], compression, signal } = request;
  // What cannot be done is said before anything is read.
  applyInstructions({}, changes);
  const warnings = new Warnings({ strict: request.strict ?? false });
  await using found = await requireSubject(root, subject);
  const info = await found.snapshots.stat(found.key);
  using store = await openStore({ root });
  if (info.kind === 'view' && info.labels[labels.upper] === undefined) throw readOnly(subject);
  const manifest = requireManifest(info);
  const base = store.images().find(image => image.manifest === manifest);
  if (base === undefined) throw notCached(info, manifest);
  using directory = createTemporaryDirectory(join(temporaryRoot(), 'commit'));
  await using open = await openSnapshotChanges(found.snapshots, found.key, { root, warnings });
  const layer = await writeChangesLayer(open.read(), join(directory.path, 'layer'), {
    ...{ compression, warnings, signal },
  });
  const committed = await commitImage({ store, base, layer, name, message, author, changes, signal });
  const { reference, manifestDigest, configDigest } = committed;
  const { digest, size, diffId, entries } = layer;
  return {
    ...{ reference, manifestDigest, configDigest, layer: { digest, size, diffId, entries } },
    warnings: summarise(warnings),
  };
}

function readOnly(subject: string): ShaleError {
  return new ShaleError('invalid', `${subject} can only be read, so there is nothing to commit`, {
    detail: { subject },
    hint: 'mount the image without --ro, and change it there',
  });
}

function requireManifest({ key, labels: all }: SnapshotInfo): string {
  const manifest = all[labels.manifest];
  if (manifest !== undefined) return manifest;
  throw new ShaleError('invalid', `the snapshot ${key} is of no image, so no image can be made of it`, {
    detail: { snapshot: key },
    hint: `shale diff ${key} --out layer.tar.gz writes its layer`,
  });
}

function notCached({ labels: all }: SnapshotInfo, manifest: string): ShaleError {
  const image = all[labels.image] ?? manifest;
  return new ShaleError('not-found', `the cache does not have ${image}, of which this was made`, {
    detail: { image, manifest },
    hint: `bring it in, and commit again: shale copy ${image} cache:NAME`,
  });
}
