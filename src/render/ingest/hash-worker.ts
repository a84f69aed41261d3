/** A thread that hashes what an ingest thread decompresses, layer by layer. */
import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import type { EndRequest, ThreadData } from '../../bytes/pool/index.ts';
import { HashLine, hashEnd } from './hash-line.ts';
import type { HashStart, HashThreadData } from './protocol.ts';

const { memory, line: shared, ending } = workerData as HashThreadData & ThreadData;
const port = parentPort!;
const bytes = Buffer.from(memory);
const line = new HashLine(shared);

port.on('message', (command: HashStart | EndRequest) => {
  if (command.kind === 'end') port.close();
  else hashLayer(command.algorithm);
});

function hashLayer(algorithm: string): void {
  const hash = createHash(algorithm);
  for (let request = line.next(ending); request !== undefined; request = line.next(ending)) {
    const { offset, length } = request;
    if (offset >= 0) hash.update(bytes.subarray(offset, offset + length));
    if (offset !== hashEnd) line.reply();
    else {
      const padded = hash.copy().update(new Uint8Array(length)).digest();
      line.reply(Buffer.concat([hash.digest(), padded]));
    }
    if (offset < 0) return;
  }
}
