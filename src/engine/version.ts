import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Shale's version, as its package says it. */
export function shaleVersion(): string {
  const file = join(import.meta.dirname, '..', '..', 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
