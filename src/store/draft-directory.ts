import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { registerUnfinished, removeTree } from '../host/index.ts';
import type { Digest } from '../oci/index.ts';
import type { Catalogue } from './catalogue.ts';
import { wrapStore } from './error.ts';
import { createLease, type OpenLease } from './lease.ts';

/** The start of the name of a directory in which something is being made; its lease's name follows. */
export const draftPrefix = '.draft-';

/**
 * A private directory for what is being made, of one filesystem with its place, and the lease that keeps meanwhile what it is
 * made of. Disposing it removes what is in it. One whose process has died is litter.
 */
export class DraftDirectory implements Disposable {
  readonly path: string;
  readonly #lease: OpenLease;
  readonly #forget: () => void;
  #open = true;

  /** `parent` is there. `purpose` is what messages call the lease. */
  constructor(catalogue: Catalogue, parent: string, purpose: string, digests: readonly Digest[]) {
    this.#lease = createLease(catalogue, purpose, digests);
    this.path = join(parent, draftPrefix + this.#lease.id);
    try {
      mkdirSync(this.path, { mode: 0o700 });
    } catch (error) {
      this.#lease.release();
      throw wrapStore(error, `cannot begin a ${purpose} in ${parent}`, catalogue.layout.root);
    }
    this.#forget = registerUnfinished(() => this[Symbol.dispose]());
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    this.#forget();
    try {
      removeTree(this.path);
      this.#lease.release();
    } catch {
      // Its process is gone soon, and gc takes what is left: why it came to this matters more.
      this.#lease[Symbol.dispose]();
    }
  }
}
