import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import type { BlobDescriptor, Differ } from '../differ.ts';
import type { Counter } from '../metrics/metric.ts';
import { readDescriptor, readLabels, readMounts } from '../wire/convert.ts';
import type { WireDescriptor, WireLabels, WireMount, WireTime } from '../wire/message.ts';
import type { CallContext, Calls } from './call.ts';

/** `payloads` are for media types that Shale refuses, and CRI sends them with every layer. */
interface ApplyRequest {
  readonly diff: WireDescriptor | null;
  readonly mounts: readonly WireMount[];
  readonly syncFs: boolean;
}
interface DiffRequest {
  readonly left: readonly WireMount[];
  readonly right: readonly WireMount[];
  readonly mediaType: string;
  readonly ref: string;
  readonly labels: WireLabels;
  readonly sourceDateEpoch: WireTime | null;
}

/** containerd's diff service over a differ. */
export class DiffService {
  readonly #differ: Differ;
  readonly #applied: Counter;

  /** `applied` counts the bytes of uncompressed layers. */
  constructor(differ: Differ, applied: Counter) {
    this.#differ = differ;
    this.#applied = applied;
  }

  handlers(calls: Calls): UntypedServiceImplementation {
    return {
      Apply: calls.unary('Diff/Apply', (request: ApplyRequest, context) => this.#apply(request, context)),
      Diff: calls.unary('Diff/Diff', (request: DiffRequest, context) => this.#diff(request, context)),
    };
  }

  async #apply(request: ApplyRequest, context: CallContext): Promise<{ readonly applied: BlobDescriptor }> {
    const layer = readDescriptor(request.diff, 'diff');
    const applied = await this.#differ.apply(layer, readMounts(request.mounts), {
      ...context,
      sync: request.syncFs,
    });
    this.#applied.add({}, applied.size);
    return { applied };
  }

  async #diff(request: DiffRequest, context: CallContext): Promise<{ readonly diff: BlobDescriptor }> {
    const { left, right, mediaType, ref, labels, sourceDateEpoch: epoch } = request;
    const diff = await this.#differ.diff(readMounts(left), readMounts(right), {
      ...context,
      mediaType: mediaType === '' ? undefined : mediaType,
      reference: ref === '' ? undefined : ref,
      labels: readLabels(labels),
      sourceDateEpoch: epoch === null ? undefined : epoch.seconds * 1000 + Math.floor(epoch.nanos / 1e6),
    });
    return { diff };
  }
}
