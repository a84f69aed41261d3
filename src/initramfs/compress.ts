import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { compressLz4Legacy } from '../bytes/codec/lz4-legacy.ts';

/** What Linux unpacks a first root from; which of them depends on its configuration (`CONFIG_RD_*`). */
export type InitramfsCompression = 'none' | 'lz4' | 'gzip' | 'zstd';

/** Compresses an archive; the result has no padding (`padInitramfs`). The same bytes for the same archive. */
export function compressInitramfs(archive: Uint8Array, how: InitramfsCompression): Uint8Array {
  switch (how) {
    case 'none':
      return archive;
    case 'lz4':
      return compressLz4Legacy(archive);
    case 'gzip':
      return gzipSync(archive, { level: 9 });
    case 'zstd':
      return zstdCompressSync(archive, {
        pledgedSrcSize: archive.length,
        params: { [constants.ZSTD_c_compressionLevel]: 19, [constants.ZSTD_c_checksumFlag]: 0 },
      });
  }
}
