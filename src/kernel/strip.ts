/** Behind a signed module: the signature, twelve bytes about it, and this (include/linux/module_signature.h). */
const mark = '~Module signature appended~\n';
const informationBytes = 12;

/**
 * A module without its signature. Verifying one takes the guest longer than loading the module does, and proves nothing where the
 * host that chose the kernel has chosen the modules, too.
 */
export function stripModule(bytes: Uint8Array): Uint8Array {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = file.length - mark.length;
  if (end < informationBytes || file.toString('latin1', end) !== mark) return bytes;
  const signatureBytes = file.readUInt32BE(end - 4);
  const length = end - informationBytes - signatureBytes;
  return length > 0 ? bytes.subarray(0, length) : bytes;
}
