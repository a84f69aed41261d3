/** The thread of an IngestPool: reads one layer at a time into slabs that it is granted. */
import { parentPort, workerData } from 'node:worker_threads';
import type { EndRequest, ThreadData } from '../../bytes/pool/index.ts';
import { packError, wrapErrno } from '../../error/index.ts';
import { type IngestPort, LayerIngest } from './layer-ingest.ts';
import type { IngestBatch, IngestCommand, IngestReply, IngestRequest, IngestThreadData } from './protocol.ts';

const { memory, ending } = workerData as IngestThreadData & ThreadData;
const port = parentPort!;
const granted: number[] = [];
let waiting: ((slab: number) => void) | undefined;

const ingestPort: IngestPort = {
  takeSlab() {
    const slab = granted.shift();
    if (slab !== undefined) return Promise.resolve(slab);
    return new Promise(give => {
      waiting = give;
    });
  },
  post(batch: IngestBatch) {
    const transfer = [batch.events.buffer as ArrayBuffer];
    if (batch.entries.byteLength === batch.entries.buffer.byteLength)
      transfer.push(batch.entries.buffer as ArrayBuffer);
    port.postMessage(batch, transfer);
  },
};

port.on('message', (command: IngestCommand | EndRequest) => {
  if (command.kind === 'end') {
    port.close();
    return;
  }
  if (command.kind === 'layer') {
    void read(command);
    return;
  }
  const give = waiting;
  waiting = undefined;
  if (give === undefined) granted.push(command.slab);
  else give(command.slab);
});

async function read(request: IngestRequest): Promise<void> {
  let reply: IngestReply;
  try {
    const ingest = new LayerIngest(request, ingestPort, memory, ending);
    reply = await ingest.run();
    // A slab that it took and did not need serves the next layer.
    granted.unshift(...ingest.slabs);
  } catch (error) {
    reply = { kind: 'failure', error: packError(wrapErrno(error, `reading ${request.blob.path}`)) };
  }
  port.postMessage(reply);
}
