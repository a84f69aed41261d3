/**
 * Threads over one shared memory. A `SlabPool` is the memory budget of a render; whoever fills a slab hands its number
 * on, and the last one to release it frees it. A `BlockPool` compresses spans of that memory into other slabs.
 */
export { BlockPool, type BlockPoolOptions, type BlockResult } from './block-pool.ts';
export { SlabPool, slabBytes, zeroSpan } from './slab-pool.ts';
export { type EndRequest, Thread, type ThreadData } from './thread.ts';
