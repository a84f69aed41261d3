/** The thread of a BlockPool: gathers spans into blocks and compresses them. No I/O. */
import { parentPort, workerData } from 'node:worker_threads';
import { packError } from '../../error/index.ts';
import { createBlockCompressor } from '../codec/block.ts';
import type { BlockReply, BlockRequest, BlockThreadData } from './block-protocol.ts';
import { SlabPool, zeroSpan } from './slab-pool.ts';
import type { EndRequest, ThreadData } from './thread.ts';

const { memory, algorithm, level, blockBytes, ending } = workerData as BlockThreadData & ThreadData;
const port = parentPort!;
const bytes = Buffer.from(memory);
const zeros = Buffer.alloc(blockBytes);
const scratch = Buffer.alloc(blockBytes);
const compressor = algorithm === undefined ? undefined : createBlockCompressor(algorithm, level);

port.on('message', (request: BlockRequest | EndRequest) => {
  if (request.kind === 'end') {
    compressor?.close();
    port.close();
    return;
  }
  if (ending[0] !== 0) return;
  let reply: BlockReply;
  try {
    reply = { id: request.id, lengths: run(request) };
  } catch (error) {
    reply = { id: request.id, error: packError(error) };
  }
  port.postMessage(reply);
});

function run({ spans, output }: BlockRequest): number[] {
  const lengths: number[] = [];
  const end = output + SlabPool.capacity;
  let at = 0;
  while (at < spans.length) {
    const marked = spans[at]!;
    const count = Math.abs(marked);
    const block = gather(spans, at + 1, count);
    at += 1 + 2 * count;
    if (marked > 0 && block.equals(block.length === blockBytes ? zeros : zeros.subarray(0, block.length))) {
      lengths.push(0);
      continue;
    }
    const stored = compressor?.compress(block, bytes.subarray(output, end)) ?? 0;
    if (stored > 0) {
      lengths.push(stored);
      output += stored;
    } else {
      bytes.set(block, output);
      lengths.push(-block.length);
      output += block.length;
    }
  }
  return lengths;
}

/** A block that lies in one piece is compressed where it lies. */
function gather(spans: readonly number[], at: number, count: number): Buffer {
  if (count === 1 && spans[at] !== zeroSpan) return bytes.subarray(spans[at]!, spans[at]! + spans[at + 1]!);
  let length = 0;
  for (let span = 0; span < count; span++) {
    const offset = spans[at + 2 * span]!;
    const size = spans[at + 2 * span + 1]!;
    if (offset === zeroSpan) scratch.fill(0, length, length + size);
    else scratch.set(bytes.subarray(offset, offset + size), length);
    length += size;
  }
  return scratch.subarray(0, length);
}
