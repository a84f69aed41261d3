import { closeSync, openSync } from 'node:fs';
import { syncFile } from '../../host/index.ts';
import { type Digest, parseDigest } from '../../oci/index.ts';
import type { ArtifactDraft, StoredArtifact } from '../../store/index.ts';
import { VerityFollower } from '../../verity/index.ts';

/** A layer's file on its way: hashed while an ingest thread writes it. */
export class LayerDraft implements AsyncDisposable {
  readonly #draft: ArtifactDraft;
  readonly #follower: VerityFollower;
  readonly #file: number;
  readonly #open = new AsyncDisposableStack();

  /** The file must be there. Whatever fails in hashing it, `commit` fails with. */
  constructor(draft: ArtifactDraft) {
    const { path } = draft;
    const fd = openSync(path, 'r');
    this.#draft = draft;
    this.#file = fd;
    this.#open.defer(() => closeSync(fd));
    this.#follower = this.#open.use(new VerityFollower({ path, fd }));
  }

  get path(): string {
    return this.#draft.path;
  }

  /** All before `position` is written, but for the head, which comes last. In bytes. */
  advance(position: number): void {
    this.#follower.advance(position);
  }

  /** The file is complete. `head`: how many of its first bytes were written after the rest. */
  async commit(
    size: number,
    options: {
      readonly head: number;
      /** Where it is known. */
      readonly digest: Digest | undefined;
      readonly signal: AbortSignal | undefined;
    },
  ): Promise<StoredArtifact> {
    const { head, digest, signal } = options;
    const { tree: _, ...measured } = await this.#follower.finish({ size, rewritten: [[0, head]] });
    // The disk has the file by the time it is hashed, or nearly: `commit` has less to wait for.
    const [hex] = await Promise.all([
      digest === undefined ? this.#follower.digest(size) : undefined,
      syncFile(this.#file),
    ]);
    const known = digest ?? parseDigest(`sha256:${hex}`);
    // Now, not when the last of many layers is done: it has a thread.
    await this.#open.disposeAsync();
    return await this.#draft.commit({ size, digest: known, measured, signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open.disposeAsync();
  }
}
