import { readSections } from './elf.ts';
import { KernelError } from './error.ts';
import { moduleName } from './module-name.ts';

/** What a kernel module says of itself. */
export interface ModuleInfo {
  /** As the kernel has it, with `_` for `-`; '' where an old module does not say. */
  readonly name: string;
  /** Modules that must be there before. */
  readonly depends: readonly string[];
  /** Names or aliases of what should be there before, if it exists. */
  readonly softBefore: readonly string[];
  readonly aliases: readonly string[];
}

/** Reads the section `.modinfo` of a module: `key=value`, each ended by a NUL. KernelError `corrupt`. */
export function readModuleInfo(bytes: Uint8Array): ModuleInfo {
  const section = readSections(bytes).find(({ name }) => name === '.modinfo');
  if (section === undefined)
    throw new KernelError('corrupt', 'not a kernel module: it has no section .modinfo');
  return parseModuleInfo(bytes.subarray(section.offset, section.offset + section.size));
}

export function parseModuleInfo(section: Uint8Array): ModuleInfo {
  const text = Buffer.from(section.buffer, section.byteOffset, section.length).toString('latin1');
  const values = (wanted: string) =>
    text
      .split('\0')
      .filter(record => record.startsWith(`${wanted}=`))
      .map(record => record.slice(wanted.length + 1));
  return {
    name: moduleName(values('name')[0] ?? ''),
    depends: (values('depends')[0] ?? '').split(',').filter(Boolean).map(moduleName),
    softBefore: values('softdep').flatMap(softBefore),
    aliases: values('alias'),
  };
}

/** `pre: A B post: C`: what comes before (modprobe.d(5)). */
function softBefore(text: string): string[] {
  const before: string[] = [];
  let isBefore = false;
  for (const word of text.split(/[\s]+/)) {
    if (word === 'pre:' || word === 'post:') isBefore = word === 'pre:';
    else if (isBefore && word !== '') before.push(moduleName(word));
  }
  return before;
}
