import { closeSync, openSync, readSync } from 'node:fs';

export type ImageKind = 'squashfs' | 'erofs';

const kinds: readonly { readonly kind: ImageKind; readonly position: number; readonly magic: Buffer }[] = [
  { kind: 'squashfs', position: 0, magic: Buffer.from('hsqs') },
  { kind: 'erofs', position: 1024, magic: Buffer.from([0xe2, 0xe1, 0xf5, 0xe0]) },
];

/** What filesystem a file holds, by its magic number; undefined when none that is read here. Throws as `fs` does. */
export function detectImage(path: string): ImageKind | undefined {
  const file = openSync(path, 'r');
  try {
    return kinds.find(({ position, magic }) => {
      const found = Buffer.alloc(magic.length);
      readSync(file, found, 0, found.length, position);
      return found.equals(magic);
    })?.kind;
  } finally {
    closeSync(file);
  }
}
