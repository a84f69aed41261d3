import type { Labels, Snapshotter } from '../../snapshot/snapshotter.ts';
import { DaemonError } from '../error.ts';
import type { Log } from '../log.ts';
import { asShaleError } from '../status.ts';

/** The label by which whoever unpacks an image says what a snapshot is to become: the layers' chainID. */
export const chainLabel = 'containerd.io/snapshot.ref';

export interface RenderedRequest {
  /** What is to be unpacked, and all below it: OCI's chainID. As it came: any text. */
  readonly chainId: string;
  /** The committed snapshot below. */
  readonly parent: string | undefined;
  /** What containerd says of the layer; what becomes committed must have them, `containerd.io/snapshot.ref` above all. */
  readonly labels: Labels;
  /** containerd's; `undefined` if nobody says. */
  readonly namespace: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * May commit a snapshot, by whatever name, that is what the layer would become: with this parent, and with these labels. True if there is one now.
 * What it says must be verified, for nobody unpacks or compares anything any more.
 */
export type FindRendered = (request: RenderedRequest) => Promise<boolean>;

export interface RenderedOptions {
  readonly snapshotter: Snapshotter;
  readonly find?: FindRendered | undefined;
  readonly log: Log;
}

/**
 * The remote-snapshot protocol: who asks for a snapshot to unpack a layer into, and names what it will be, is told that it exists
 * already, fetches and unpacks nothing, and finds it in a list by its label and its parent.
 */
export class Rendered {
  readonly #options: RenderedOptions;

  constructor(options: RenderedOptions) {
    this.#options = options;
  }

  /** DaemonError `exists` where there is nothing to unpack. */
  async refuse(request: Omit<RenderedRequest, 'chainId'>): Promise<void> {
    const chainId = request.labels[chainLabel];
    if (chainId === undefined) return;
    const whole = { ...request, chainId };
    if ((await this.#isThere(whole, { ours: false })) || (await this.#find(whole))) {
      throw new DaemonError('exists', `${chainId} is there already: nothing is to be unpacked`, {
        detail: { chainId, parent: request.parent },
      });
    }
  }

  async #find(request: RenderedRequest): Promise<boolean> {
    const { find, log } = this.#options;
    if (find === undefined) return false;
    const { chainId, parent } = request;
    const fields = { chain_id: chainId, parent };
    try {
      if (!(await find(request))) return false;
    } catch (thrown) {
      // A layer can still be unpacked as any other, so this costs time and no more.
      const { code, message } = asShaleError(thrown);
      if (code === 'cancelled') throw thrown;
      log({ level: 'warn', message: `cannot use what is rendered: ${message}`, fields });
      return false;
    }
    // containerd will look for it so, and fail if it is not there.
    if (await this.#isThere(request, { ours: true })) return true;
    log({ level: 'warn', message: 'what is rendered cannot be found by its label and parent', fields });
    return false;
  }

  /**
   * Whether a committed snapshot says that it is this chain. It is its maker who says so, and containerd's names begin with
   * their namespace: of another's word nothing is believed, unless it is `ours`.
   */
  async #isThere(
    { chainId, parent, namespace }: RenderedRequest,
    { ours }: { readonly ours: boolean },
  ): Promise<boolean> {
    for await (const snapshot of this.#options.snapshotter.walk()) {
      if (snapshot.kind !== 'committed' || snapshot.parent !== parent) continue;
      if (snapshot.labels[chainLabel] !== chainId) continue;
      if (ours || namespace === undefined || snapshot.key.startsWith(`${namespace}/`)) return true;
    }
    return false;
  }
}
