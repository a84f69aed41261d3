/** A thread of `runPass`: takes steps until there are none left. */
import { parentPort, workerData } from 'node:worker_threads';
import type { EndRequest, ThreadData } from '../bytes/pool/thread.ts';
import { packError } from '../error/index.ts';
import { BlockHasher } from './block-hasher.ts';
import { countSteps, createStepMemory, runStep } from './pass.ts';
import type { PassReply, PassThreadData } from './pass-protocol.ts';

const { pass, salt, next, ending } = workerData as PassThreadData & ThreadData;
const port = parentPort!;

port.on('message', ({ kind }: EndRequest) => {
  if (kind === 'end') port.close();
});
port.postMessage(run());

function run(): PassReply {
  const [hasher, memory, expected] = [new BlockHasher(salt), createStepMemory(), createStepMemory()];
  const steps = countSteps(pass);
  try {
    while (ending[0] === 0) {
      const step = Atomics.add(next, 0, 1);
      if (step >= steps) break;
      const wrong = runStep(pass, step, hasher, memory, expected);
      if (wrong === undefined) continue;
      Atomics.store(next, 0, steps);
      return { wrong };
    }
    return { wrong: undefined };
  } catch (error) {
    Atomics.store(next, 0, steps);
    return { error: packError(error) };
  }
}
