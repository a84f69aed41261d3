import { join } from 'node:path';
import { StoreError } from './error.ts';
import type { Layout } from './layout.ts';

/** The place of the directory of that name that was made of an artifact. StoreError `internal` for what is no name. */
export function warmPlace(layout: Layout, key: string, name: string): string {
  if (!/^[0-9a-f]{64}$/.test(key) || !/^[a-z0-9][a-z0-9_-]{0,127}$/.test(name)) {
    throw new StoreError('internal', `${JSON.stringify(`${key}/${name}`)} cannot name a warm directory`);
  }
  return join(layout.warm, key, name);
}
