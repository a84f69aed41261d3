/** The thread of a `VerityFollower`: does what it is told, in that order. */
import { parentPort, workerData } from 'node:worker_threads';
import type { EndRequest, ThreadData } from '../bytes/pool/thread.ts';
import { packError } from '../error/index.ts';
import type { FollowReply, FollowRequest, FollowThreadData } from './follow-protocol.ts';
import { FollowedData } from './followed-data.ts';

const { files, ending } = workerData as FollowThreadData & ThreadData;
const port = parentPort!;
const data = new FollowedData(files, () => ending[0] !== 0);

port.on('message', (request: FollowRequest | EndRequest) => {
  if (request.kind === 'end') return port.close();
  if (ending[0] !== 0) return;
  try {
    const reply = handle(request);
    if (reply !== undefined) port.postMessage(reply);
  } catch (error) {
    port.postMessage({ error: packError(error) } satisfies FollowReply);
  }
});

function handle(request: FollowRequest): FollowReply | undefined {
  switch (request.kind) {
    case 'advance':
      data.advance(request.position);
      return undefined;
    case 'take-back':
      data.takeBack(request.position);
      return undefined;
    case 'finish':
      return { folded: data.finish(request.size, request.rewritten) };
    case 'digest':
      return { digest: data.digest(request.size) };
  }
}
