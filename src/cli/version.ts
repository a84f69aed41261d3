import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Values } from './option.ts';
import { formatJson } from './output.ts';

/** Shale's version, and with --verbose or --json what it runs on. */
export function formatVersion({ verbose, json }: Values): string {
  const file = path.join(import.meta.dirname, '..', '..', 'package.json');
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
  const { node, zstd, zlib } = process.versions;
  const machine = `${process.platform} ${process.arch}`;
  if (json) return `${formatJson({ shale: version, node, zstd, zlib, machine }, 2)}\n`;
  if (!verbose) return `shale ${version}\n`;
  return `shale ${version}\nnode ${node}\nzstd ${zstd}\nzlib ${zlib}\n${machine}\n`;
}
