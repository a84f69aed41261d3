import { readSections, sectionType } from './elf.ts';

/** Behind a signed module: the signature, twelve bytes about it, and this (include/linux/module_signature.h). */
const mark = '~Module signature appended~\n';
const informationBytes = 12;

/**
 * Tables that only serve to print where a bug was, and that the kernel sorts while it loads a module: it goes without them, to
 * less exact traces. The type information of modules is for tracing programs.
 */
const dispensable = /^(\.rela)?\.(orc_unwind|orc_unwind_ip|BTF)$/;

/**
 * A module without what costs time in the guest and is of no use there. Verifying a signature takes a machine that is emulated
 * longer than loading the module does, and proves nothing where the host that chose the kernel has chosen the modules, too.
 * Sections keep their numbers: what is left out becomes an empty one. KernelError `corrupt` if it is no module.
 */
export function stripModule(bytes: Uint8Array): Uint8Array {
  const module = Buffer.from(withoutSignature(bytes));
  for (const { name, headerAt } of readSections(module)) {
    if (!dispensable.test(name)) continue;
    module.writeUInt32LE(0, headerAt); // name
    module.writeUInt32LE(sectionType.none, headerAt + 4);
    module.fill(0, headerAt + 8, headerAt + 16); // flags
    module.fill(0, headerAt + 32, headerAt + 40); // size
  }
  return module;
}

function withoutSignature(bytes: Uint8Array): Uint8Array {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = file.length - mark.length;
  if (end < informationBytes || file.toString('latin1', end) !== mark) return bytes;
  const length = end - informationBytes - file.readUInt32BE(end - 4);
  return length > 0 ? bytes.subarray(0, length) : bytes;
}
