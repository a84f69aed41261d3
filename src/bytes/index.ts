/**
 * Bytes below all formats: compression (`codec`), declarative little-endian structs (`struct`), memory that threads share
 * (`pool`). The library's users get codecs and structs; a format of their own can be written with them.
 */
export * from './codec/index.ts';
export { bytesSource, type ImageSource } from './image-source.ts';
export type { RandomAccess } from './random-access.ts';
export {
  type Field,
  i16,
  i64,
  octets,
  type Struct,
  StructError,
  type StructValue,
  struct,
  u8,
  u16,
  u32,
  u32OrNone,
  u64,
  u64OrNone,
} from './struct.ts';
