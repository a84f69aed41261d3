/**
 * The first root of a Linux kernel: an archive that it unpacks into memory and whose `/init` it runs. Written here, not by
 * `cpio`, so that it depends on nothing but what is put into it.
 *
 *     padInitramfs(compressInitramfs(writeInitramfs(entries), 'none'))
 *
 * What a zone's has in it is decided in `kernel/`. The format is described in doc/format/initramfs.md.
 */
export { compressInitramfs, type InitramfsCompression } from './compress.ts';
export { fileTypes, type InitramfsEntry, padInitramfs, writeInitramfs } from './cpio.ts';
export { InitramfsError } from './error.ts';
