import type { Compression } from './types.ts';

/** How many bytes `detectCompression` looks at. */
export const detectionLength = 6;

type Test = (byte: number) => boolean;
const is =
  (expected: number): Test =>
  byte =>
    byte === expected;

/** What a stream of each compression begins with. */
const beginnings: readonly (readonly [Compression, readonly Test[]])[] = [
  ['gzip', [0x1f, 0x8b].map(is)],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd].map(is)],
  // A skippable frame: any of sixteen magic numbers.
  ['zstd', [byte => byte >= 0x50 && byte <= 0x5f, ...[0x2a, 0x4d, 0x18].map(is)]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00].map(is)],
  // "BZh", the level, then the first byte of a block's or the stream end's magic: three letters alone may begin a tar.
  [
    'bzip2',
    [
      ...[0x42, 0x5a, 0x68].map(is),
      byte => byte >= 0x31 && byte <= 0x39,
      byte => byte === 0x31 || byte === 0x17,
    ],
  ],
];

/** The compression that a stream's first bytes show; `undefined` when more of them are needed (never of six or more). */
export function detectCompression(head: Uint8Array): Compression | undefined {
  let open = false;
  for (const [compression, tests] of beginnings) {
    if (!tests.every((test, at) => at >= head.length || test(head[at]!))) continue;
    if (head.length >= tests.length) return compression;
    open = true;
  }
  return open ? undefined : 'none';
}
