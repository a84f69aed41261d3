import { join } from 'node:path';
import { applyInstructions, commitImage } from '../../commit/index.ts';
import { ShaleError } from '../../error/index.ts';
import { createTemporaryDirectory, findDataRoot, temporaryRoot } from '../../host/index.ts';
import { writeChangesLayer } from '../../layer/index.ts';
import { openStore } from '../../store/index.ts';
import { connectZone, mountPoints, receiveChanges, toGuest, Zones } from '../../zone/index.ts';
import type { CommitResult } from './report.ts';
import type { CommitRequest } from './request.ts';

/**
 * Makes an image of what a running zone has written: the layers of its own, and one more. Its workload stands still meanwhile. ShaleError `not-found` if the
 * cache does not have the zone's image (any more), as for one that was run out of a layout.
 */
export async function commitZone(
  text: string,
  name: string,
  request: CommitRequest = {},
): Promise<CommitResult> {
  const { root = findDataRoot(), message, author, changes = [], signal } = request;
  const zone = new Zones(root).find(text);
  const { record } = zone;
  using store = await openStore({ root });
  const base = store.images().find(({ manifest }) => manifest === record.image.manifest);
  if (base === undefined) {
    throw new ShaleError(
      'not-found',
      `the cache does not have ${record.image.reference}, of which ${record.name} was made`,
      {
        detail: { manifest: record.image.manifest },
        hint: `bring it in, and commit again: shale copy ${record.image.reference} cache:NAME`,
      },
    );
  }
  // What cannot be done is said before the workload is stopped.
  applyInstructions({}, changes);
  using directory = createTemporaryDirectory(join(temporaryRoot(), 'commit'));
  using connection = await connectZone(zone, signal);
  const { conversation } = connection;
  await conversation.send(toGuest.commit);
  const received = receiveChanges(() => conversation.receive());
  const layer = await writeChangesLayer(received, join(directory.path, 'layer'), {
    ignore: mountPoints(record),
    signal,
  });
  const createdBy = 'shale zone commit';
  const committed = await commitImage({
    ...{ store, base, layer, name, message, author, changes, createdBy, signal },
  });
  const { reference, manifestDigest, configDigest } = committed;
  const { digest, size, diffId, entries } = layer;
  return { reference, manifestDigest, configDigest, layer: { digest, size, diffId, entries } };
}
