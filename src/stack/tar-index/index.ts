/**
 * Layers as they are: the uncompressed tar is a device, and a small image has all metadata and points into it.
 *
 *     layer ──ingest thread (`tee`)──► layer.tar ◄── device 1 ── index of the layer    writeLayerTarIndex
 *     layers ─────────────────────► their tars ◄── devices ──── index of the image    writeMergedTarIndex
 *
 * Tar begins every file at a multiple of 512 bytes, so in blocks of that size each file is one chunk: a run of blocks on
 * that device. Sparse files are as many chunks as their holes ask for. Where segments are not made of blocks, or are few in
 * a huge file, the index has a copy of the file's data.
 *
 * The kernel reads whole blocks only: a tar that ends within its last file is filled up with zeros on disk.
 */
export { tarBlockBytes } from './tar-chunks.ts';
export {
  type LayerTarIndexOptions,
  type MergedTarIndexOptions,
  type TarIndex,
  type TarLayer,
  writeLayerTarIndex,
  writeMergedTarIndex,
} from './tar-index.ts';
