import { ioctl } from './ioctl.ts';

/** FS_VERITY_HASH_ALG_SHA256 (linux/fsverity.h). */
const sha256 = 1;
const digestSize = 32;
const blockSize = 4096;

/**
 * Has the filesystem build the Merkle tree of a file, and check every read against it from here on; nobody can write to it
 * any more. sha256, blocks of 4096 bytes, no salt. `fd` is open for reading only, and nobody has the file open for writing. The kernel
 * reads all of the file before this returns. Throws as `fs` does: EEXIST if it was done before, ENOTTY and EOPNOTSUPP where there is no
 * fs-verity, ETXTBSY.
 */
export function enableFsverity(fd: number): void {
  // struct fsverity_enable_arg: version, algorithm, size of a block; neither salt nor signature.
  const argument = new Uint32Array(128 / 4);
  argument.set([1, sha256, blockSize]);
  ioctl(fd, { way: 'write', type: 'f', number: 133, size: argument.byteLength }, argument);
}

/**
 * The digest that the kernel checks an open file against, `sha256:…`; `undefined` if it is of another hash. Throws as `fs` does:
 * ENODATA if nothing is checked.
 */
export function measureFsverity(fd: number): string | undefined {
  // struct fsverity_digest: two words of 16 bits, and room for the digest of any hash.
  const words = new Uint16Array(2 + 64 / 2);
  words[1] = 64;
  ioctl(fd, { way: 'both', type: 'f', number: 134, size: 4 }, words);
  const [algorithm, size] = words;
  if (algorithm !== sha256 || size !== digestSize) return undefined;
  return `sha256:${Buffer.from(words.buffer, 4, digestSize).toString('hex')}`;
}
