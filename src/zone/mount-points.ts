import { type ByteString, byteString } from '../tree/index.ts';
import type { ZoneRecord } from './state/index.ts';

/** What init mounts over in every zone. */
const alwaysMounted = [
  'proc',
  'sys',
  'dev',
  'etc/hosts',
  'etc/hostname',
  'etc/resolv.conf',
  'etc/machine-id',
];

/** The paths that init may have made in the upper of a zone to mount something over them, and the directories that lead there. */
export function mountPoints({ tmpfs, volumes }: ZoneRecord): ReadonlySet<ByteString> {
  const points = new Set<ByteString>();
  for (const path of [...alwaysMounted, ...tmpfs, ...volumes.map(({ path }) => path)]) {
    const names = path.split('/').filter(name => name !== '' && name !== '.');
    for (let depth = 1; depth <= names.length; depth += 1)
      points.add(byteString(names.slice(0, depth).join('/')));
  }
  return points;
}
