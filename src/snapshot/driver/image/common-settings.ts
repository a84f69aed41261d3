import type { FreeSetting } from '../settings.ts';
import type { Backing } from './image-mounts.ts';
import type { SealWish } from './seal-layer.ts';

const size: FreeSetting = {
  usual: 'none',
  pattern: /^(none|[1-9][0-9]{0,11}[KMGT]?)$/,
  what: 'none, or the size of the disk that each writable snapshot gets, such as 8G',
};

/** The settings of all drivers that keep layers in files. */
export const commonSettings = {
  upper: size,
  mount: ['auto', 'file', 'loop'],
  verity: ['auto', 'no'],
  immutable: ['no', 'yes'],
} as const;

/** What they mean. */
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
