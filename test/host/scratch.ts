import { mkdtempSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeTree } from '../../src/host/index.ts';

/** A directory for one test: `using scratch = createScratch()`. */
export function createScratch(): Disposable & { readonly path: string; at(name: string): string } {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'shale-test-')));
  return { path, at: name => join(path, name), [Symbol.dispose]: () => removeTree(path) };
}

export const needsRoot = process.getuid?.() === 0 ? false : 'needs root';
export const needsLinux = process.platform === 'linux' ? false : 'needs Linux';
