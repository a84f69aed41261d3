/** Layers by hand: a list of entries, in stream order. */
import type {
  LayerDevice,
  LayerDirectory,
  LayerEntry,
  LayerFile,
  LayerHardlink,
  LayerIndex,
  LayerOpaque,
  LayerPipe,
  LayerSymlink,
  LayerWhiteout,
} from '../../src/layer/index.ts';
import { noXattrs, type Xattrs } from '../../src/tree/index.ts';

const metadata = { mode: 0o644, uid: 1, gid: 2, mtime: { seconds: 100, nanoseconds: 5 }, xattrs: noXattrs };
type Given = Partial<Omit<LayerFile, 'type' | 'path'>>;
type GivenMetadata = Omit<Given, 'size' | 'offset' | 'segments'>;

/** Size 1 unless given, in no tar. */
export function file(path: string, given: Given = {}): LayerFile {
  return { type: 'file', path, ...metadata, size: 1, offset: undefined, segments: undefined, ...given };
}
export function dir(path: string, given: GivenMetadata = {}): LayerDirectory {
  return { type: 'directory', path, ...metadata, mode: 0o711, ...given };
}
export function symlink(path: string, target: string, given: GivenMetadata = {}): LayerSymlink {
  return { type: 'symlink', path, target, ...metadata, mode: 0o777, ...given };
}
export function device(path: string, type: 'block' | 'character', major: number, minor: number): LayerDevice {
  return { type, path, major, minor, ...metadata };
}
export function fifo(path: string): LayerPipe {
  return { type: 'fifo', path, ...metadata };
}
export function link(path: string, target: string): LayerHardlink {
  return { type: 'hardlink', path, target };
}
/** A whiteout of `path`, which is the deleted name itself. */
export function wh(path: string): LayerWhiteout {
  return { type: 'whiteout', path };
}
/** An opaque marker in the directory `path`; '' is the root. */
export function opq(path: string): LayerOpaque {
  return { type: 'opaque', path };
}
export function layer(...entries: LayerEntry[]): LayerIndex {
  return { entries };
}
export function xattrs(given: Record<string, string>): Xattrs {
  return new Map(Object.entries(given).map(([name, value]) => [name, Buffer.from(value, 'latin1')]));
}
