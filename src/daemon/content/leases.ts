import { type CallOptions, Connection } from './connection.ts';

/** How long what we make is kept from containerd's collector if nobody refers to it, in milliseconds. */
const usualTerm = 60 * 60 * 1000;

/** containerd's leases, by gRPC. DaemonErrors. */
export class Leases implements Disposable {
  readonly #connection: Connection;

  /** `address` is the path of containerd's socket. */
  constructor(address: string) {
    this.#connection = new Connection('containerd.services.leases.v1.Leases', address);
  }

  /** The id of a new lease, which ends by itself after an hour. */
  async create(options: CallOptions): Promise<string> {
    const labels = { 'containerd.io/gc.expire': new Date(Date.now() + usualTerm).toISOString() };
    const response = await this.#connection.unary<{ lease: { id: string } }>('Create', { labels }, options);
    return response.lease.id;
  }

  /** Ends one early. */
  async delete(id: string, options: CallOptions): Promise<void> {
    await this.#connection.unary('Delete', { id }, options);
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }
}
