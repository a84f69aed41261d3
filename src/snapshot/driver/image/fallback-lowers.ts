import { ShaleError } from '../../../error/index.ts';
import type { LowerDirectories } from './lower-directories.ts';

/** One way of showing layers where the kernel has it, else another. */
export class FallbackLowers implements LowerDirectories {
  readonly #first: LowerDirectories;
  readonly #second: LowerDirectories;
  #hasFirst = true;

  constructor(first: LowerDirectories, second: LowerDirectories) {
    this.#first = first;
    this.#second = second;
  }

  async show(chain: readonly number[], signal?: AbortSignal): Promise<readonly string[]> {
    try {
      if (this.#hasFirst) return await this.#first.show(chain, signal);
    } catch (error) {
      if (!isUnknown(error)) throw error;
      this.#hasFirst = false;
    }
    return await this.#second.show(chain, signal);
  }

  places(chain: readonly number[]): readonly string[] {
    return [...this.#first.places(chain), ...this.#second.places(chain)];
  }

  ownPlaces(id: number): readonly string[] {
    return [...this.#first.ownPlaces(id), ...this.#second.ownPlaces(id)];
  }

  forget(id: number): void {
    this.#first.forget(id);
    this.#second.forget(id);
  }
}

/** Of a filesystem with features that it does not know the kernel says EINVAL. */
function isUnknown(error: unknown): boolean {
  return error instanceof ShaleError && (error.code === 'unsupported' || error.detail.errno === 'EINVAL');
}
