import type { Backing } from './image-mounts.ts';
import type { SealWish } from './seal-layer.ts';

/** What the settings mean that all drivers have who keep layers in files. */
export function readCommon(read: {
  readonly upper: string;
  readonly mount: Backing;
  readonly verity: 'auto' | 'no';
  readonly immutable: 'yes' | 'no';
}): { readonly diskBytes: number | undefined; readonly backing: Backing; readonly seal: SealWish } {
  const { upper, mount: backing, verity, immutable } = read;
  return {
    diskBytes: upper === 'none' ? undefined : readSize(upper),
    backing,
    seal: { verity, immutable: immutable === 'yes' },
  };
}

function readSize(text: string): number {
  const unit = ['', 'K', 'M', 'G', 'T'].indexOf(text.replace(/[0-9]/g, ''));
  return Number(text.replace(/[KMGT]/, '')) * 1024 ** unit;
}
