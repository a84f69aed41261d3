import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';

interface Section {
  readonly name: string;
  readonly type?: number;
  readonly content: Uint8Array;
}

/** An ELF file for x86-64 with these sections, and a segment for each that is a note. */
export function makeElf(
  sections: readonly Section[],
  options: { type?: number; machine?: number } = {},
): Buffer {
  const named = [
    { name: '', type: 0, content: Buffer.alloc(0) },
    ...sections,
    { name: '.shstrtab', type: 3 },
  ];
  const names = Buffer.from(named.map(({ name }) => `${name}\0`).join(''), 'latin1');
  const notes = sections.filter(({ type }) => type === 7);
  let offset = 64 + notes.length * 56;
  const placed = named.map(section => {
    const content: Uint8Array = 'content' in section ? section.content : names;
    const at = offset;
    offset = Math.ceil((offset + content.length) / 8) * 8;
    return { ...section, content, at };
  });
  const file = Buffer.alloc(offset + placed.length * 64);
  file.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  file.writeUInt16LE(options.type ?? 1, 16);
  file.writeUInt16LE(options.machine ?? 62, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(notes.length > 0 ? 64 : 0), 32);
  file.writeBigUInt64LE(BigInt(offset), 40);
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(notes.length, 56);
  file.writeUInt16LE(64, 58);
  file.writeUInt16LE(placed.length, 60);
  file.writeUInt16LE(placed.length - 1, 62);
  let nameAt = 0;
  for (const [index, { name, type = 1, content, at }] of placed.entries()) {
    const header = offset + index * 64;
    file.set(content, at);
    file.writeUInt32LE(nameAt, header);
    file.writeUInt32LE(type, header + 4);
    file.writeBigUInt64LE(BigInt(at), header + 24);
    file.writeBigUInt64LE(BigInt(content.length), header + 32);
    file.writeBigUInt64LE(1n, header + 48);
    nameAt += name.length + 1;
  }
  for (const [index, note] of notes.entries()) {
    const { at, content } = placed.find(section => section.content === note.content)!;
    file.writeUInt32LE(4, 64 + index * 56);
    file.writeBigUInt64LE(BigInt(at), 64 + index * 56 + 8);
    file.writeBigUInt64LE(BigInt(content.length), 64 + index * 56 + 32);
  }
  return file;
}

export interface FakeModule {
  readonly name: string;
  readonly depends?: string;
  readonly softdep?: string;
  readonly alias?: string;
  readonly signed?: boolean;
}

export function makeModule({ name, signed = false, ...fields }: FakeModule): Buffer {
  const records = Object.entries({ license: 'GPL', depends: '', name, ...fields });
  const modinfo = Buffer.from(records.map(([key, value]) => `${key}=${value}\0`).join(''), 'latin1');
  const text = Buffer.alloc(64, 0x90);
  const module = makeElf([
    { name: '.text', content: text },
    { name: '.orc_unwind', content: Buffer.alloc(60, 7) },
    { name: '.modinfo', content: modinfo },
  ]);
  if (!signed) return module;
  const information = Buffer.alloc(12);
  information.set([1, 4, 1]); // RSA, sha256, X.509: an opaque one, which modinfo shows without parsing it
  information.writeUInt32BE(100, 8);
  const mark = Buffer.from('~Module signature appended~\n');
  return Buffer.concat([module, Buffer.alloc(100, 0x5a), information, mark]);
}

/** A kernel's ELF file; with a note that says where to start the PVH way. */
export function makeVmlinux(release: string, options: { pvh?: boolean; machine?: number } = {}): Buffer {
  const note = Buffer.alloc(12 + 4 + 8);
  note.writeUInt32LE(4, 0);
  note.writeUInt32LE(8, 4);
  note.writeUInt32LE(options.pvh === false ? 17 : 18, 8);
  note.write('Xen\0', 12, 'latin1');
  const text = Buffer.alloc(300_000);
  for (let at = 0; at < text.length; at++) text[at] = (at * at) % 251;
  text.write('Linux version %s\0', 1000, 'latin1');
  text.write(`Linux version ${release} (someone@somewhere) #1 SMP\n\0`, 200_000, 'latin1');
  const sections = [
    { name: '.text', content: text },
    { name: '.notes', type: 7, content: note },
  ];
  return makeElf(sections, { type: 2, machine: options.machine ?? 62 });
}

export type Packing = 'gzip' | 'zstd' | 'xz' | 'lz4' | 'bzip2' | 'lzma';

const packers: Readonly<Record<Packing, (bytes: Uint8Array) => Buffer>> = {
  gzip: bytes => gzipSync(bytes),
  zstd: bytes => zstdCompressSync(bytes),
  xz: bytes => pipe('xz', ['--check=crc32', '--x86', '--lzma2=dict=32MiB', '-c'], bytes),
  lz4: bytes => pipe('lz4', ['-l', '-9', '-c'], bytes),
  bzip2: bytes => pipe('bzip2', ['-c'], bytes),
  lzma: bytes => pipe('xz', ['--format=lzma', '-c'], bytes),
};

export function pipe(program: string, words: readonly string[], input: Uint8Array): Buffer {
  return execFileSync(program, words, { input, maxBuffer: 2 ** 27, stdio: ['pipe', 'pipe', 'pipe'] });
}

export interface BzImageFields {
  readonly banner?: string;
  readonly version?: number;
  readonly loadFlags?: number;
}

/** A bzImage as Linux's build makes one, but for its code: two sectors of setup, then the payload. */
export function makeBzImage(vmlinux: Uint8Array, packing: Packing, fields: BzImageFields = {}): Buffer {
  const packed = packers[packing](vmlinux);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(vmlinux.length);
  const payload = packing === 'gzip' ? packed : Buffer.concat([packed, size]);
  const setup = Buffer.alloc(3 * 512);
  setup[0x1f1] = 2;
  setup.writeUInt16LE(0xaa55, 0x1fe);
  setup.write('HdrS', 0x202, 'latin1');
  setup.writeUInt16LE(fields.version ?? 0x020f, 0x206);
  setup.writeUInt16LE(0x300, 0x20e);
  setup.writeUInt16LE(fields.loadFlags ?? 1, 0x236);
  setup.writeUInt32LE(77, 0x248);
  setup.writeUInt32LE(payload.length, 0x24c);
  setup.write(`${fields.banner ?? '6.1.0-9-test (someone) #1 SMP'}\0`, 0x500, 'latin1');
  return Buffer.concat([setup, Buffer.alloc(77, 0xcc), payload, Buffer.alloc(100)]);
}

export const release = '6.1.0-9-test';

/** Modules that depend on each other in all the ways there are. */
export const modules: readonly FakeModule[] = [
  { name: 'virtio' },
  { name: 'virtio_ring', depends: 'virtio' },
  { name: 'virtio_blk', depends: 'virtio-ring,virtio', alias: 'virtio:d00000002v*' },
  { name: 'crc32c_generic', alias: 'crc32c' },
  { name: 'crc32c_intel', alias: 'crc32c' },
  { name: 'libcrc32c', softdep: 'pre: crc32c nowhere post: virtio_blk' },
  { name: 'erofs', depends: 'libcrc32c' },
  { name: 'broken', depends: 'nothere' },
  { name: 'round', depends: 'about' },
  { name: 'about', depends: 'round' },
];

/** The files of a kernel's package, by path. */
export function kernelTree(
  options: { config?: string; signed?: boolean; image?: Buffer } = {},
): Map<string, Buffer> {
  const image = options.image ?? makeBzImage(makeVmlinux(release), 'lz4');
  const tree = new Map([
    [`boot/vmlinuz-${release}`, image],
    [`boot/config-${release}`, Buffer.from(options.config ?? '# CONFIG_MODULE_SIG_FORCE is not set\n')],
    [
      `lib/modules/${release}/modules.builtin`,
      Buffer.from('kernel/fs/ext4/ext4.ko\nkernel/crypto/sha256-generic.ko\n'),
    ],
    ['usr/share/doc/copyright', Buffer.from('nobody\n')],
  ]);
  for (const module of modules) {
    const file = `lib/modules/${release}/kernel/drivers/${module.name.replaceAll('_', '-')}.ko`;
    tree.set(file, makeModule({ ...module, signed: options.signed ?? true }));
  }
  return tree;
}

export function writeTree(root: string, tree: ReadonlyMap<string, Buffer>): void {
  for (const [path, content] of tree) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}

/** A package, made by dpkg-deb. */
export function makeDeb(
  directory: string,
  tree: ReadonlyMap<string, Buffer>,
  options: { name?: string; version?: string; compression?: string } = {},
): string {
  const { name = `linux-image-${release}`, version = '6.1.9-1', compression = 'xz' } = options;
  const root = join(directory, `tree-${name}-${version}-${compression}`);
  writeTree(root, tree);
  const control = `Package: ${name}\nVersion: ${version}\nArchitecture: amd64\nMaintainer: x <x@x>\nDescription: x\n`;
  writeTree(root, new Map([['DEBIAN/control', Buffer.from(control)]]));
  const path = join(directory, `${name}_${version}_${compression}.deb`);
  execFileSync('dpkg-deb', [`-Z${compression}`, '--root-owner-group', '-b', root, path], { stdio: 'pipe' });
  return path;
}

export type NamedBytes = readonly (readonly [name: string, content: Uint8Array])[];

/** An archive of ar(1). */
export function makeAr(members: NamedBytes): Buffer {
  const parts: Uint8Array[] = [Buffer.from('!<arch>\n')];
  for (const [name, content] of members) {
    const fields = `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}`;
    parts.push(Buffer.from(`${fields}${String(content.length).padEnd(10)}\`\n`), content);
    if (content.length % 2 === 1) parts.push(Buffer.from('\n'));
  }
  return Buffer.concat(parts);
}

/** A tar archive of plain files. */
export function makeTar(files: NamedBytes): Buffer {
  const parts: Uint8Array[] = [];
  for (const [name, content] of files) {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write('0000644\x000000000\x000000000\0', 100);
    header.write(`${content.length.toString(8).padStart(11, '0')}\x0000000000000\0        0`, 124);
    header.write('ustar\x0000', 257);
    let sum = 0;
    for (const byte of header) sum += byte;
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    parts.push(header, content, Buffer.alloc((512 - (content.length % 512)) % 512));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}
