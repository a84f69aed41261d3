import { parseDigest } from '../../oci/index.ts';
import type { Mount } from '../../snapshot/mount.ts';
import type { Labels, SnapshotInfo, SnapshotKind } from '../../snapshot/snapshotter.ts';
import type { BlobDescriptor } from '../differ.ts';
import { DaemonError } from '../error.ts';
import type { WireDescriptor, WireInfo, WireLabels, WireMount, WireTime } from './message.ts';

/** Between the messages of proto/ and our own types. */

/** containerd's own limit: bytes of a label's name and value together. */
const mostLabelBytes = 4096;

/** DaemonError `invalid` for an empty one; `what` names the field. */
export function readKey(key: string, what: string): string {
  if (key === '') throw new DaemonError('invalid', `${what} is empty`, { detail: { field: what } });
  return key;
}

/** An empty parent is none. */
export function readParent(parent: string): string | undefined {
  return parent === '' ? undefined : parent;
}

/** Labels whose value is empty are none, as for containerd. DaemonError `invalid` for one that is too long. */
export function readLabels(labels: WireLabels): Labels {
  const entries = Object.entries(labels).filter(([, value]) => value !== '');
  for (const [name, value] of entries) {
    if (Buffer.byteLength(name) + Buffer.byteLength(value) <= mostLabelBytes) continue;
    throw new DaemonError(
      'invalid',
      `the label ${JSON.stringify(name.slice(0, 64))} is longer than ${mostLabelBytes} bytes with its value`,
      { detail: { label: name.slice(0, mostLabelBytes) } },
    );
  }
  return Object.fromEntries(entries);
}

const wireKinds: Readonly<Record<SnapshotKind, WireInfo['kind']>> = {
  active: 'ACTIVE',
  view: 'VIEW',
  committed: 'COMMITTED',
};

export function writeInfo(info: SnapshotInfo): WireInfo {
  return {
    name: info.key,
    parent: info.parent ?? '',
    kind: wireKinds[info.kind],
    createdAt: writeTime(info.created),
    updatedAt: writeTime(info.updated),
    labels: info.labels,
  };
}

/** `milliseconds` since 1970, to the microsecond: a double holds no more. */
function writeTime(milliseconds: number): WireTime {
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds, nanos: Math.round((milliseconds - seconds * 1000) * 1000) * 1000 };
}

export function writeMounts(mounts: readonly Mount[]): readonly WireMount[] {
  return mounts.map(({ type, source, target = '', options }) => ({ type, source, target, options }));
}

export function readMounts(mounts: readonly WireMount[]): readonly Mount[] {
  return mounts.map(({ type, source, target, options }) => {
    return { type, source, target: target === '' ? undefined : target, options };
  });
}

/** DaemonError or OciError `invalid`. */
export function readDescriptor(wire: WireDescriptor | null, what: string): BlobDescriptor {
  if (wire === null) throw new DaemonError('invalid', `${what} is missing`, { detail: { field: what } });
  const { mediaType, size, annotations } = wire;
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new DaemonError('invalid', `the size of ${what} is ${size}`, { detail: { field: what, size } });
  }
  return { mediaType, size, digest: parseDigest(wire.digest, what), annotations: { ...annotations } };
}
