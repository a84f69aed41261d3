import { Counter, Gauge, Histogram, type Metric } from './metric.ts';

/** In seconds: from what a database answers to what a large layer takes. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** Counts and times the calls that are served. */
export class RequestMetrics {
  readonly #served = new Counter(
    'shale_grpc_requests_total',
    'Calls that were answered, by method and status.',
  );
  readonly #seconds = new Histogram(
    'shale_grpc_request_seconds',
    'How long calls took until they were answered.',
    buckets,
  );
  readonly #open = new Gauge('shale_grpc_requests_open', 'Calls that are being worked on.');

  /** A call begins; the result is called with its status when it ends, and returns how long it took, in seconds. */
  begin(method: string): (status: string) => number {
    const begun = performance.now();
    this.#open.add({ method }, 1);
    return status => {
      const seconds = (performance.now() - begun) / 1000;
      this.#open.add({ method }, -1);
      this.#served.add({ method, code: status });
      this.#seconds.observe({ method }, seconds);
      return seconds;
    };
  }

  get metrics(): readonly Metric[] {
    return [this.#served, this.#seconds, this.#open];
  }
}
