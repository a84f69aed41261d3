import { runTool, type Tool, type ToolOptions } from '../tool.ts';

/** Device-mapper by its own tool, dmsetup(8), which knows how to get along with udev or without. */
export const dmsetupTool: Tool = { program: 'dmsetup', package: 'dmsetup' };

const meanings = [
  [
    /Failure to communicate|Incompatible libdevmapper/,
    'unsupported',
    'load the kernel’s module: modprobe dm-mod',
  ],
  [/File exists/, 'conflict'],
  [/No data available|does not exist|No such device/, 'not-found'],
  [/No space left/, 'exhausted', 'the thin pool is full: enlarge it, or remove snapshots'],
  [/Device or resource busy/, 'conflict', 'it is mounted, or open otherwise: unmount it'],
  [/Permission denied|Operation not permitted/, 'denied', 'this takes root (CAP_SYS_ADMIN)'],
  [/unknown target type/, 'unsupported', 'load the kernel’s module: modprobe dm-thin-pool'],
] as const;

/** SnapshotError, as the meanings above have it. */
export function dmsetup(programArguments: readonly string[], options: ToolOptions): Promise<string> {
  return runTool(dmsetupTool, programArguments, options, meanings);
}

export const devicePath = (name: string): string => `/dev/mapper/${name}`;
