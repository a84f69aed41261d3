import { runTool, type Tool, type ToolOptions } from '../tool.ts';

export const zfsTool: Tool = { program: 'zfs', package: 'zfsutils-linux' };
export const zpoolTool: Tool = { program: 'zpool', package: 'zfsutils-linux' };

const meanings = [
  [
    /modules are not loaded|\/dev\/zfs/,
    'unsupported',
    'load the kernel’s module: modprobe zfs; Debian has it in contrib, as zfs-dkms',
  ],
  [/does not exist|no such pool/, 'not-found'],
  [/already exists/, 'exists'],
  [/out of space|quota exceeded/, 'exhausted', 'remove snapshots, or give the pool more disks'],
  [/is busy|dependent clones|has children/, 'conflict', 'it is mounted, or others are based on it'],
  [/permission denied|must be (superuser|root)/i, 'denied', 'run it as root'],
] as const;

/** zfs(8), whose words are the interface: there is no library that keeps from one release to the next. SnapshotErrors as the meanings above have it. */
export function zfs(programArguments: readonly string[], options: ToolOptions): Promise<string> {
  return runTool(zfsTool, programArguments, options, meanings);
}

export function zpool(programArguments: readonly string[], options: ToolOptions): Promise<string> {
  return runTool(zpoolTool, programArguments, options, meanings);
}
