import { KernelError } from './error.ts';

/** A section of an ELF file (gABI, "Sections"). */
export interface ElfSection {
  readonly name: string;
  readonly type: number;
  /** Where its header is in the file. */
  readonly headerAt: number;
  readonly offset: number;
  /** Bytes in the file; of a section without any (`SHT_NOBITS`, `SHT_NULL`) 0. */
  readonly size: number;
  readonly alignment: number;
}

export interface ElfSegment {
  readonly type: number;
  readonly offset: number;
  readonly fileSize: number;
}

const machines: Readonly<Record<number, string>> = { 3: '386', 62: 'amd64', 183: 'arm64', 243: 'riscv64' };
const headerBytes = 64;
const sectionHeaderBytes = 64;
const segmentHeaderBytes = 56;
const mostSections = 65536;

export const sectionType = { none: 0, noBits: 8 } as const;
export const segmentType = { load: 1, note: 4 } as const;

export function isElf(bytes: Uint8Array): boolean {
  return (
    bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46
  );
}

/** The machine that a file is for, in OCI's words; `undefined` if the bytes are no 64-bit little-endian ELF file. */
export function elfMachine(bytes: Uint8Array): string | undefined {
  if (!isElf(bytes) || bytes.length < headerBytes || bytes[4] !== 2 || bytes[5] !== 1) return undefined;
  const number = bytes[18]! + bytes[19]! * 256;
  return machines[number] ?? `machine ${number}`;
}

/** The program headers; `bytes` is the file or enough of its start. KernelError `corrupt`. */
export function readSegments(bytes: Uint8Array): ElfSegment[] {
  const view = viewOf(bytes);
  const start = number(view, 32);
  const count = view.getUint16(56, true);
  if (count > 0 && view.getUint16(54, true) !== segmentHeaderBytes)
    throw corrupt('its segments have another size');
  need(bytes, start, count * segmentHeaderBytes, 'the table of its segments');
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * segmentHeaderBytes;
    return { type: view.getUint32(at, true), offset: number(view, at + 8), fileSize: number(view, at + 32) };
  });
}

/** All sections, the empty first one included, in the order of their numbers. KernelError `corrupt`. */
export function readSections(bytes: Uint8Array): ElfSection[] {
  const view = viewOf(bytes);
  const start = number(view, 40);
  if (start === 0) return [];
  if (view.getUint16(58, true) !== sectionHeaderBytes) throw corrupt('its sections have another size');
  need(bytes, start, sectionHeaderBytes, 'the table of its sections');
  // Numbers that do not fit their field are in the first section.
  const count = view.getUint16(60, true) || number(view, start + 32);
  const given = view.getUint16(62, true);
  const namesIndex = given === 0xffff ? view.getUint32(start + 40, true) : given;
  if (count > mostSections) throw corrupt(`it has ${count} sections`);
  need(bytes, start, count * sectionHeaderBytes, 'the table of its sections');
  const headers = Array.from({ length: count }, (_, index) => {
    const headerAt = start + index * sectionHeaderBytes;
    const type = view.getUint32(headerAt + 4, true);
    const empty = type === sectionType.none || type === sectionType.noBits;
    const size = empty ? 0 : number(view, headerAt + 32);
    const offset = number(view, headerAt + 24);
    if (!empty) need(bytes, offset, size, `section ${index}`);
    const alignment = number(view, headerAt + 48);
    return { nameAt: view.getUint32(headerAt, true), type, headerAt, offset, size, alignment };
  });
  const names = headers[namesIndex];
  if (names === undefined) throw corrupt('its sections have no names');
  return headers.map(({ nameAt, ...header }) => ({ ...header, name: readName(bytes, names, nameAt) }));
}

function readName(bytes: Uint8Array, names: { offset: number; size: number }, at: number): string {
  if (at >= names.size) return '';
  // The kernel's own longest name of a section has some forty characters.
  const all = Buffer.from(bytes.buffer, bytes.byteOffset + names.offset + at, Math.min(names.size - at, 256));
  const end = all.indexOf(0);
  return all.toString('latin1', 0, end < 0 ? all.length : end);
}

function viewOf(bytes: Uint8Array): DataView {
  if (elfMachine(bytes) === undefined) throw corrupt('it is no 64-bit ELF file');
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function number(view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw corrupt('a number in it is beyond 2^53');
  return Number(value);
}

function need(bytes: Uint8Array, offset: number, size: number, what: string): void {
  if (offset + size <= bytes.length) return;
  throw corrupt(`${what} lies beyond its end`);
}

function corrupt(what: string): KernelError {
  return new KernelError('corrupt', `not an ELF file that can be read: ${what}`);
}
