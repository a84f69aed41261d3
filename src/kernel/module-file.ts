import { decompressAll } from './decompress.ts';
import { type ModuleInfo, readModuleInfo } from './modinfo.ts';

/** A module, and what it says of itself. */
export interface ModuleFile {
  readonly bytes: Uint8Array;
  readonly info: ModuleInfo;
}

/** What a module's file holds, compressed or not. KernelError `exhausted` beyond `most` bytes, `corrupt` for what is no module. */
export function readModule(file: Uint8Array, most: number, path: string): ModuleFile {
  const bytes = decompressAll(file, most, path);
  return { bytes, info: readModuleInfo(bytes) };
}
