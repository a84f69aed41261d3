import type { ServerWritableStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import { DaemonError } from '../error.ts';
import type { Calls } from './call.ts';

interface HealthRequest {
  readonly service: string;
}
interface HealthResponse {
  readonly status: 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';
}
type Watcher = ServerWritableStream<HealthRequest, HealthResponse>;

/** gRPC's health service: what is served is healthy until the daemon stops. */
export class HealthService {
  readonly #services: ReadonlySet<string>;
  readonly #watchers = new Set<Watcher>();
  #serving = true;

  /** By their full names. */
  constructor(services: readonly string[]) {
    this.#services = new Set(['', ...services]);
  }

  handlers(calls: Calls): UntypedServiceImplementation {
    return {
      Check: calls.unary('Health/Check', async ({ service }: HealthRequest): Promise<HealthResponse> => {
        if (this.#services.has(service)) return { status: this.#status() };
        throw new DaemonError('not-found', `there is no service ${JSON.stringify(service)}`);
      }),
      // Not counted: it lasts as long as its caller likes.
      Watch: (call: Watcher) => {
        const known = this.#services.has(call.request.service);
        call.write({ status: known ? this.#status() : 'SERVICE_UNKNOWN' });
        if (known) this.#watchers.add(call);
        call.on('cancelled', () => {
          this.#watchers.delete(call);
          call.end();
        });
      },
    };
  }

  /** From here on nothing is healthy; whoever watches is told, and let go. */
  stop(): void {
    this.#serving = false;
    for (const watcher of this.#watchers) {
      watcher.write({ status: this.#status() });
      watcher.end();
    }
    this.#watchers.clear();
  }

  #status(): HealthResponse['status'] {
    return this.#serving ? 'SERVING' : 'NOT_SERVING';
  }
}
