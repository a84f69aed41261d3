/**
 * Threads over one shared memory. A `SlabPool` is the memory budget of a render; whoever fills a slab hands its number
 * on, and the last one to release it frees it. A `BlockPool` compresses spans of that memory into other slabs,
 * in any order; a `CommitLine` in front of it keeps the order.
 */
export { BlockPool, type BlockPoolOptions, type BlockResult } from './block-pool.ts';
export { CommitLine, type CommitLineOptions, type StoredBlock } from './commit-line.ts';
export { SlabPool, slabBytes, zeroSpan } from './slab-pool.ts';
export { type EndRequest, Thread, type ThreadData } from './thread.ts';
