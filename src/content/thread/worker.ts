/** The thread of an UnpackThread: reads, verifies and decompresses one blob after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import type { EndRequest, ThreadData } from '../../bytes/pool/thread.ts';
import { packError, ShaleError, wrapErrno } from '../../error/index.ts';
import { Decompression } from '../decompression.ts';
import { StoredBlob } from '../stored-blob.ts';
import {
  type BlobRequest,
  mostPieces,
  pieceBytes,
  type UnpackReply,
  type UnpackThreadData,
} from './protocol.ts';

/** How long it sleeps before it looks whether it is still wanted, in milliseconds. */
const nap = 100;

const { memory, released, ending } = workerData as UnpackThreadData & ThreadData;
const port = parentPort!;
const bytes = Buffer.from(memory);
let pieces = 0;

port.on('message', (command: BlobRequest | EndRequest) => {
  if (command.kind === 'end') port.close();
  else if (ending[0] === 0) port.postMessage(unpack(command));
});

function unpack(request: BlobRequest): UnpackReply {
  try {
    using blob = new StoredBlob(request.blob, request.digest, ending, request.what);
    try {
      decompress(blob, request);
    } catch (error) {
      // What does not decompress is most often damaged: then that is the error to report.
      if (error instanceof ShaleError && error.code === 'corrupt') blob.verify();
      throw error;
    }
    return { kind: 'end', read: blob.read };
  } catch (error) {
    return { kind: 'failure', error: packError(wrapErrno(error, `reading ${request.blob.path}`)) };
  }
}

function decompress(blob: StoredBlob, request: BlobRequest): void {
  using decompression = new Decompression(request);
  let piece = takePlace();
  let filled = 0;
  const hand = () => {
    const reply: UnpackReply = { kind: 'piece', length: filled, read: blob.read };
    port.postMessage(reply);
    pieces += 1;
    filled = 0;
  };
  for (let chunk = blob.next(); chunk !== undefined; chunk = blob.next()) {
    decompression.push(chunk);
    for (;;) {
      const length = decompression.read(piece.subarray(filled));
      if (length === 0) break;
      filled += length;
      if (filled < pieceBytes) continue;
      hand();
      piece = takePlace();
    }
  }
  decompression.finish();
  blob.verify();
  if (filled > 0) hand();
}

/** Waits until the next place is free. `cancelled` once nobody wants it. */
function takePlace(): Uint8Array {
  for (;;) {
    const count = Atomics.load(released, 0);
    if (pieces - count < mostPieces) break;
    if (ending[0] !== 0) throw new ShaleError('cancelled', 'nobody wants the blob any more');
    Atomics.wait(released, 0, count, nap);
  }
  const start = (pieces % mostPieces) * pieceBytes;
  return bytes.subarray(start, start + pieceBytes);
}
