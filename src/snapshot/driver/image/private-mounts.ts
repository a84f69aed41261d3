import { ShaleError } from '../../../error/index.ts';
import { type OpenMounts, openMounts } from '../../mounting.ts';
import type { ImageParts } from './image-parts.ts';
import type { LowerDirectories } from './lower-directories.ts';
import type { MountUses } from './mount-uses.ts';
import { readOnlyMounts } from './overlay-mounts.ts';

/** Layers as one directory; `undefined` of none. Disposing it unmounts it. */
export type OpenChain = AsyncDisposable & { readonly path: string | undefined };

/** Layers shown to this process alone, for as long as it reads them. */
export class PrivateMounts {
  readonly #parts: ImageParts;
  readonly #uses: MountUses;

  constructor(parts: ImageParts, uses: MountUses) {
    this.#parts = parts;
    this.#uses = uses;
  }

  /** Layers (ids, nearest first) as one directory, until it is disposed; with the directory `upper` on top of them. */
  async open(
    chain: readonly number[],
    { upper, by = this.#parts.plainLowers }: { readonly upper?: string; readonly by?: LowerDirectories } = {},
  ): Promise<OpenChain> {
    if (chain.length === 0) return { path: undefined, async [Symbol.asyncDispose]() {} };
    const { mounts, places } = this.#parts;
    let opened: OpenMounts | undefined;
    while (opened === undefined) {
      const directories = await by.show(chain);
      const all = upper === undefined ? directories : [upper, ...directories];
      opened = await openMounts(readOnlyMounts(all, places.empty), places.root);
      // Named by nobody's `uses`, they may have been taken away just before; what is open stays.
      if (mounts.areMounted(directories)) break;
      opened[Symbol.dispose]();
      opened = undefined;
    }
    await this.#uses.release(by.places(chain));
    return {
      path: opened.path,
      async [Symbol.asyncDispose]() {
        opened[Symbol.dispose]();
      },
    };
  }

  /** A layer as it is, with its whiteouts, as long as `stack` is not disposed; `undefined` where the kernel cannot show it. */
  async openLayer(id: number, stack: AsyncDisposableStack): Promise<string | undefined> {
    try {
      return stack.use(await this.open([id], { by: this.#parts.layers })).path;
    } catch (error) {
      if (error instanceof ShaleError && error.code === 'unsupported') return undefined;
      throw error;
    }
  }
}
