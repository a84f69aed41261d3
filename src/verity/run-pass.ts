import { setImmediate } from 'node:timers/promises';
import { Thread } from '../bytes/pool/index.ts';
import { unpackError } from '../error/index.ts';
import { throwIfAborted } from '../host/index.ts';
import { BlockHasher } from './block-hasher.ts';
import { countSteps, createStepMemory, type Pass, runStep } from './pass.ts';
import type { PassReply, PassThreadData } from './pass-protocol.ts';

/** With less than 96 MiB for each, threads end no earlier: one needs as long to start as it takes to hash half of that. */
const stepsPerThread = 12;

/**
 * Runs a pass on this thread, step by step, and on up to `jobs - 1` others beside it. Where it compares: the lowest block whose
 * digest differs, for steps are taken in order, and each that was taken is finished. When the promise is settled, no thread
 * uses the descriptors any more.
 */
export async function runPass(
  pass: Pass,
  salt: Uint8Array,
  options: { readonly jobs: number; readonly signal?: AbortSignal | undefined },
): Promise<number | undefined> {
  const steps = countSteps(pass);
  const next = new Int32Array(new SharedArrayBuffer(4));
  const stop = (): void => {
    Atomics.store(next, 0, steps);
  };
  const count = Math.min(options.jobs, Math.ceil(steps / stepsPerThread)) - 1;
  const helpers = Array.from({ length: count }, () => new Helper({ pass, salt, next }));
  try {
    const own = await runSteps(pass, salt, next, options.signal);
    const others = await Promise.all(helpers.map(helper => helper.answer));
    throwIfAborted(options.signal);
    const found = [own, ...others].filter(block => block !== undefined);
    return found.length === 0 ? undefined : Math.min(...found);
  } finally {
    stop();
    await Promise.all(helpers.map(helper => helper.end()));
  }
}

async function runSteps(
  pass: Pass,
  salt: Uint8Array,
  next: Int32Array,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const [hasher, memory, expected] = [new BlockHasher(salt), createStepMemory(), createStepMemory()];
  const steps = countSteps(pass);
  for (;;) {
    throwIfAborted(signal);
    const step = Atomics.add(next, 0, 1);
    if (step >= steps) return undefined;
    const wrong = runStep(pass, step, hasher, memory, expected);
    if (wrong !== undefined) {
      Atomics.store(next, 0, steps);
      return wrong;
    }
    await setImmediate();
  }
}

/** A thread, and what it will say. */
class Helper {
  readonly answer: Promise<number | undefined>;
  readonly #thread: Thread;

  constructor(data: PassThreadData) {
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
    this.answer = promise;
    promise.catch(() => {}); // It may come while nobody waits yet.
    this.#thread = new Thread(import.meta.url, './pass-worker', data, reject);
    this.#thread.onMessage((reply: PassReply) => {
      if ('error' in reply) reject(unpackError(reply.error));
      else resolve(reply.wrong);
    });
  }

  async end(): Promise<void> {
    await this.#thread.end();
  }
}
