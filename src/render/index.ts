/**
 * Layers in, root filesystems out. `readLayers` reads layers for their indexes alone; `render` reads them once and feeds
 * every output from that one decompression:
 *
 *     blob ──ingest thread──► slab + records ──main thread──► sinks ──block threads──► squashfs, EROFS
 *             verify, inflate,   │                 │ predict      │
 *             verify, parse      │                 ▼              ├──► tar (spooled until the tree is known)
 *                                └──► indexes ──► merge ──► tree ─┴──► directory (staged until the tree is known)
 *
 * Contents lie in one shared memory of fixed size (the Workbench's slabs) from decompression to compression; whoever
 * needs room waits for whoever holds it. The main thread copies small tails, writes, and decides the order of everything.
 */

export type { LayerProgress, ReadLayer } from './data-pass.ts';
export {
  DirectoryTarget,
  type DirectoryTargetOptions,
  readDirectory,
  readFileIn,
} from './directory/index.ts';
export { Extraction, type ExtractionTarget } from './ingest/extraction.ts';
export type { TeeTarget } from './ingest/tee.ts';
export type { LayerSource } from './layer-source.ts';
export { type LayerKeep, type ReadLayersOptions, readLayers } from './read-layers.ts';
export { type Rendered, type RenderOptions, render } from './render.ts';
export type { ErofsOptions } from './sink/erofs-sink.ts';
export type { NumberOf, Output, Sink } from './sink/sink.ts';
export type { SquashfsOptions } from './sink/squashfs-sink.ts';
export { hasBlockThreads, type OpenSinkOptions, openSink, type Target } from './target.ts';
export { Workbench, type WorkbenchOptions } from './workbench.ts';
