import { decompressBytes } from './decompress.ts';
import { isElf } from './elf.ts';
import { KernelError } from './error.ts';

/** The setup header of a kernel image for x86 (Documentation/arch/x86/boot.rst of Linux): where its fields are. */
const field = {
  setupSectors: 0x1f1,
  bootFlag: 0x1fe,
  magic: 0x202,
  version: 0x206,
  kernelVersion: 0x20e,
  loadFlags: 0x236,
  payloadOffset: 0x248,
  payloadLength: 0x24c,
} as const;

const sectorBytes = 512;
const magic = 'HdrS';
/** The first version of the protocol whose header says where the payload is. */
const versionWithPayload = 0x0208;
const versionWithLoadFlags = 0x020c;
const load64 = 1;
const mostRelease = 256;

export interface BzImage {
  /** The kernel's release, as `uname -r` says it. */
  readonly release: string;
  /** Where the compressed kernel lies, in bytes. */
  readonly payload: { readonly offset: number; readonly length: number };
}

/** Whether the start of a file looks like a kernel image for x86. */
export function isBzImage(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return (
    bytes.length > field.payloadLength + 4 &&
    text.readUInt16LE(field.bootFlag) === 0xaa55 &&
    text.toString('latin1', field.magic, field.magic + 4) === magic
  );
}

/** Reads the setup header. KernelError: `invalid` if it is none, `unsupported` for old ones and for 32 bits, `corrupt`. */
export function readBzImage(bytes: Uint8Array): BzImage {
  if (!isBzImage(bytes))
    throw new KernelError('invalid', 'not a kernel image for x86: it has no setup header');
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const version = file.readUInt16LE(field.version);
  if (version < versionWithPayload) {
    throw new KernelError('unsupported', 'the kernel image is older than Linux 2.6.24');
  }
  if (version >= versionWithLoadFlags && file.readUInt16LE(field.loadFlags) % 2 !== load64) {
    throw new KernelError('unsupported', 'the kernel image is for 32 bits, and zones run on amd64 only');
  }
  const start = ((file[field.setupSectors] || 4) + 1) * sectorBytes;
  const payload = {
    offset: start + file.readUInt32LE(field.payloadOffset),
    length: file.readUInt32LE(field.payloadLength),
  };
  if (payload.length < 8 || payload.offset + payload.length > file.length) {
    throw corrupt('its payload lies beyond its end');
  }
  const at = file.readUInt16LE(field.kernelVersion) + sectorBytes;
  if (at === sectorBytes || at >= start) throw corrupt('it does not say its version');
  const text = file.toString('latin1', at, at + mostRelease);
  return { release: parseRelease(text.slice(0, text.indexOf('\0') + 1 || mostRelease)), payload };
}

/** The first word of a kernel's banner. KernelError `corrupt` unless it can be the name of a directory. */
export function parseRelease(banner: string): string {
  const release = /^[0-9][A-Za-z0-9+._~-]*/.exec(banner)?.[0];
  if (release !== undefined && release.length < 128) return release;
  throw corrupt('it does not say its version');
}

/**
 * The kernel in a kernel image, as an ELF file with what Linux's own build puts behind it (relocations): piece by piece, each valid
 * until the next one is asked for.
 */
export function* extractVmlinux(bytes: Uint8Array): Generator<Uint8Array, void, void> {
  const { payload } = readBzImage(bytes);
  const packed = bytes.subarray(payload.offset, payload.offset + payload.length);
  // gzip ends with the length of the content by itself; behind all others the build puts one.
  const isGzip = packed[0] === 0x1f && packed[1] === 0x8b;
  const stream = isGzip ? packed : packed.subarray(0, packed.length - 4);
  const view = new DataView(bytes.buffer, bytes.byteOffset + payload.offset, payload.length);
  const expected = view.getUint32(payload.length - 4, true);
  if (isElf(packed)) throw new KernelError('unsupported', 'the kernel image is not compressed');
  if (packed[0] === 0x5d || packed[0] === 0x89) {
    throw new KernelError('unsupported', 'the kernel image is compressed with lzma or lzo', {
      hint: 'build it with another of CONFIG_KERNEL_{ZSTD,LZ4,GZIP,XZ,BZIP2}, or give the vmlinux that is in it',
    });
  }
  let length = 0;
  for (const piece of decompressBytes(stream)) {
    if (length === 0 && !isElf(piece)) throw corrupt('what is in it is no ELF file');
    length += piece.length;
    if (length > expected) break;
    yield piece;
  }
  if (length !== expected) throw corrupt('the kernel in it has another length than it says');
}

function corrupt(what: string): KernelError {
  return new KernelError('corrupt', `not a kernel image that can be read: ${what}`);
}
