import { collect, decompressAll } from './decompress.ts';

const mostBytes = 16 * 1024 * 1024;
const what = 'the configuration of the kernel';

/** Whether a kernel that was configured like this refuses modules without a signature; it may be compressed. */
export async function wantsSignatures(configuration: AsyncIterable<Uint8Array>): Promise<boolean> {
  const text = decompressAll(await collect(configuration, mostBytes, what), mostBytes, what);
  return /^CONFIG_MODULE_SIG_FORCE=y$/m.test(text.toString('latin1'));
}
