import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { runTool, type Tool } from '../tool.ts';
import { devicePath, dmsetup } from './dmsetup.ts';
import { sectorBytes } from './pool.ts';
import type { PoolChoice } from './settings.ts';

export const losetupTool: Tool = { program: 'losetup', package: 'mount' };

/** 64 KiB: the least that the kernel has, and what snapshots with small files want. */
const blockSectors = 128;

/**
 * A pool on two sparse files, behind loop devices: for trying out. Each write goes through two filesystems, and when the disk below is
 * full the pool breaks. Makes it, or brings back what a reboot has taken; the files stay as large as they were made.
 */
export async function openFilePool(
  name: string,
  directory: string,
  sizes: Extract<PoolChoice, { kind: 'files' }>,
): Promise<void> {
  if (existsSync(devicePath(name))) return;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const metadata = await attach(join(directory, 'metadata'), sizes.metadata);
  const data = await attach(join(directory, 'data'), sizes.data);
  const sectors = statSync(join(directory, 'data')).size / sectorBytes;
  const table = `0 ${sectors} thin-pool ${metadata} ${data} ${blockSectors} 0 1 error_if_no_space`;
  await dmsetup(['create', '--verifyudev', name, '--table', table], { doing: 'make a thin pool on files' });
}

/** Takes the pool away until it is opened again. Nothing happens while it is in use. */
export async function closeFilePool(name: string, directory: string): Promise<void> {
  try {
    await dmsetup(['remove', '--verifyudev', name], { doing: `close the thin pool ${name}` });
  } catch {
    return;
  }
  for (const file of ['data', 'metadata']) {
    for (const device of await attached(join(directory, file))) {
      await runTool(losetupTool, ['--detach', device], { doing: `detach ${device}` });
    }
  }
}

async function attach(file: string, size: number): Promise<string> {
  const [device] = await attached(file);
  if (device !== undefined) return device;
  const fd = openSync(file, 'a', 0o600);
  try {
    // A file that is there has what it has.
    if (statSync(file).size === 0) ftruncateSync(fd, size);
  } finally {
    closeSync(fd);
  }
  const doing = `put a loop device on ${file}`;
  return (await runTool(losetupTool, ['--find', '--show', file], { doing })).trim();
}

async function attached(file: string): Promise<readonly string[]> {
  const columns = ['--noheadings', '--output', 'NAME', '--associated', file];
  const lines = await runTool(losetupTool, columns, { doing: `look for loop devices of ${file}` });
  return lines.split('\n').flatMap(line => (line.trim() === '' ? [] : [line.trim()]));
}
