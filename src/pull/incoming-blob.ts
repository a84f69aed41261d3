import { Arrival, type BlobLocation, Extents } from '../content/index.ts';
import type { Ingest } from '../store/index.ts';
import { PullError } from './error.ts';

/** A run of bytes that one connection fetches. */
export interface Segment {
  /** The next byte to fetch. */
  position: number;
  /** The first byte that is not fetched any more. */
  readonly end: number;
  /** How often in a row it broke off without a byte having come. */
  failures: number;
}

/** Large enough that a request more costs nothing, small enough that several connections share a blob. */
export const defaultSegmentBytes = 32 * 2 ** 20;
/** Readers are woken when so much more is there: they read as much at a time. */
const stepBytes = 256 * 1024;

/**
 * A blob on its way into the store: cut into segments, which any number of connections fetch. A byte that is there is
 * never written again: a reader may have hashed it already, and what was verified must be what is kept.
 */
export class IncomingBlob {
  readonly location: BlobLocation;
  /** Whether the server gives ranges: undefined before its first answer. */
  ranged: boolean | undefined;
  readonly #ingest: Ingest;
  readonly #arrival = new Arrival();
  readonly #there: Extents;
  readonly #segmentBytes: number;
  /** Sorted, of any length: a segment is cut off when it is claimed, for a descriptor may promise any size. */
  #missing: Segment[];
  #active = 0;
  #told = 0;

  constructor(ingest: Ingest, segmentBytes = defaultSegmentBytes) {
    this.#ingest = ingest;
    const { path, size, target: settled } = ingest;
    this.location = { path, offset: 0, size, arrival: this.#arrival.memory, settled };
    this.#there = new Extents(ingest.extents);
    this.#segmentBytes = segmentBytes;
    const gaps = this.#there.gaps(0, size);
    this.#missing = gaps.map(({ start, end }) => ({ position: start, end, failures: 0 }));
    this.#advance();
  }

  /** Bytes that are there. */
  get received(): number {
    return this.#there.total;
  }

  get complete(): boolean {
    return this.#there.prefix === this.location.size;
  }

  /** The next segment for a connection. One at a time until it is known that the server gives ranges. */
  claim(): Segment | undefined {
    if (this.#active > 0 && this.ranged !== true) return undefined;
    const [first] = this.#missing;
    if (first === undefined) return undefined;
    this.#active += 1;
    const { position, failures } = first;
    const end = position + this.#segmentBytes;
    if (first.end <= end) return this.#missing.shift();
    first.position = end;
    return { position, end, failures };
  }

  /** A connection is done with its segment; what it did not fetch is there to be claimed again. */
  release(segment: Segment): void {
    this.#active -= 1;
    if (segment.position >= segment.end) return;
    this.#missing.push(segment);
    this.#missing.sort((one, other) => one.position - other.position);
  }

  /** The server sends everything from the start, whatever is asked for: one connection fetches it all. */
  takeWhole(segment: Segment): Segment {
    this.ranged = false;
    this.#missing = [];
    segment.position = segment.end;
    return { position: 0, end: this.location.size, failures: segment.failures };
  }

  /** PullError `corrupt` when more comes than was asked for. */
  write(segment: Segment, chunk: Uint8Array): void {
    const start = segment.position;
    const end = start + chunk.length;
    if (end > segment.end) {
      throw new PullError('corrupt', `the server sends more than the ${segment.end} bytes it was asked for`);
    }
    for (const gap of this.#there.gaps(start, end)) {
      this.#ingest.writeAt(chunk.subarray(gap.start - start, gap.end - start), gap.start);
      this.#there.add(gap.start, gap.end);
    }
    segment.position = end;
    segment.failures = 0;
    this.#advance();
  }

  /** Nothing more comes: readers that wait are woken. */
  end(): void {
    this.#arrival.end();
  }

  #advance(): void {
    const { prefix } = this.#there;
    if (prefix - this.#told < stepBytes && !this.complete) return;
    this.#told = prefix;
    this.#arrival.advance(prefix);
  }
}
