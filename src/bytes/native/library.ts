import { createRequire } from 'node:module';

/** What a loaded function is: pointers go in as views or addresses, numbers as numbers. */
export type NativeFunction = (...values: unknown[]) => number;

export interface NativeLibrary {
  /** A function by its C prototype. Throws when the library does not have it. */
  func(prototype: string): NativeFunction;
  /** Where a view's first byte lies, also of a shared buffer; valid as long as something refers to its buffer. */
  address(view: ArrayBufferView): bigint;
}

interface Koffi {
  load(name: string): { func(prototype: string): NativeFunction };
  address(view: ArrayBufferView): bigint;
}

/**
 * Opens a shared library by its file name through koffi. `undefined` when there is no such library, or no koffi for
 * this platform: system libraries are never needed, so neither is an error. Works in worker threads too.
 */
export function openLibrary(...names: readonly string[]): NativeLibrary | undefined {
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)('koffi') as Koffi;
  } catch {
    return undefined;
  }
  for (const name of names) {
    try {
      const library = koffi.load(name);
      return { func: prototype => library.func(prototype), address: view => koffi.address(view) };
    } catch {
      // The next name, or none.
    }
  }
  return undefined;
}
