import { type BigIntStats, createReadStream, lstatSync, readlinkSync } from 'node:fs';
import { pathBytes, readNames, readXattrs, splitDevice, timestamp } from '../../host/index.ts';
import { type ChangeEntry, writeChangesLayer } from '../../layer/diff/index.ts';
import { type ByteString, byteString, type Xattrs } from '../../tree/index.ts';

export interface UpperLayerOptions {
  /** It is in a user namespace: OverlayFS's attributes are the user's, and what belongs to us belongs to its root. */
  readonly rootless: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Writes an upper directory that nobody changes meanwhile as a layer's uncompressed tar into a new file. */
export async function writeUpperLayer(upper: string, out: string, options: UpperLayerOptions): Promise<void> {
  const { mode, uid, gid } = lstatSync(upper);
  const root = { mode, ...(options.rootless ? { uid: 0, gid: 0 } : { uid, gid }) };
  const { signal } = options;
  const changes = readUpper(byteString(upper), '', options);
  await writeChangesLayer(changes, out, { compression: 'none', root, signal });
}

async function* readUpper(
  upper: ByteString,
  path: ByteString,
  options: UpperLayerOptions,
): AsyncGenerator<ChangeEntry> {
  const place = path === '' ? upper : `${upper}/${path}`;
  const status = lstatSync(pathBytes(place), { bigint: true });
  yield describe(path, place, status, options);
  if (!status.isDirectory()) return;
  for (const name of readNames(place).sort()) {
    yield* readUpper(upper, path === '' ? name : `${path}/${name}`, options);
  }
}

function describe(
  path: ByteString,
  place: ByteString,
  status: BigIntStats,
  { rootless }: UpperLayerOptions,
): ChangeEntry {
  const ours = (id: bigint, own: number | undefined) => (rootless && Number(id) === own ? 0 : Number(id));
  return {
    path,
    mode: Number(status.mode),
    uid: ours(status.uid, process.geteuid?.()),
    gid: ours(status.gid, process.getegid?.()),
    mtime: timestamp(status.mtimeNs),
    device: status.isCharacterDevice() || status.isBlockDevice() ? splitDevice(status.rdev) : undefined,
    inode: status.ino,
    links: Number(status.nlink),
    xattrs: asTrusted(readXattrs(place)),
    ...(status.isSymbolicLink() && { target: readlinkSync(pathBytes(place), { encoding: 'latin1' }) }),
    ...(status.isFile() && { size: Number(status.size), content: createReadStream(pathBytes(place)) }),
  };
}

/** `user.overlay.*` under the names that the writer of layers knows. */
function asTrusted(xattrs: Map<ByteString, Uint8Array>): Xattrs {
  return new Map(
    [...xattrs].map(([name, value]) => [name.replace(/^user\.overlay\./, 'trusted.overlay.'), value]),
  );
}
