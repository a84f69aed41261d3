import { spawnSync } from 'node:child_process';
import os from 'node:os';
import { describeFilesystem } from './filesystem.ts';
import type { Result } from './race.ts';
import type { FilesystemType } from './subject.ts';

/** Where it was measured, and with what: pairs of a name and a text. */
export function describeConditions(
  results: readonly Result[],
  { rounds, scratch }: { readonly rounds: number; readonly scratch: string },
): readonly (readonly [string, string])[] {
  const cpus = os.cpus();
  const types = [...new Set(results.map(({ subject }) => subject.filesystem))];
  return [
    [
      'Machine',
      `${cpus.length} × ${cpus[0]?.model ?? 'unknown'}, ${(os.totalmem() / 2 ** 30).toFixed(0)} GiB`,
    ],
    ['Kernel', `${os.type()} ${os.release()}`],
    ['Scratch', `${firstLine('findmnt', '-n', '-o', 'FSTYPE,SOURCE', '-T', scratch)}`],
    ['Filesystems', types.map(type => `${type}: ${describeFilesystem(type)}`).join('\n')],
    ['Programs', versions(types).join(', ')],
    ['Rounds', `${rounds}, all drivers in turn in each; figures are medians, with the range`],
    ['Time', new Date().toISOString().slice(0, 16).replace('T', ' ')],
  ];
}

function versions(types: readonly FilesystemType[]): string[] {
  const commands: Readonly<Record<string, readonly string[]>> = {
    'mkfs.ext4': ['-V'],
    'mkfs.btrfs': ['--version'],
    'mkfs.xfs': ['-V'],
    'fuse-overlayfs': ['--version'],
    'mkfs.erofs': ['--version'],
    mksquashfs: ['-version'],
    tar: ['--version'],
    find: ['--version'],
    mount: ['--version'],
  };
  const found = Object.entries(commands)
    .filter(
      ([program]) => !/^mkfs\.(ext4|btrfs|xfs)$/.test(program) || types.some(type => program.endsWith(type)),
    )
    .map(([program, args]) => firstLine(program, ...args));
  return [`Node ${process.version}`, ...found];
}

/** The line of what a program says of itself that has its version. */
function firstLine(program: string, ...args: string[]): string {
  const { stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (error !== undefined) return `no ${program}`;
  const lines = `${stdout}\n${stderr}`.split('\n').map(line => line.trim());
  const versions = lines.filter(line => /\d+\.\d+/.test(line) && !line.includes('unknown'));
  const names = versions.find(line => line.startsWith(program)) ?? versions[0];
  return (
    (args[0]?.includes('ersion') || args[0] === '-V' ? names : lines.find(line => line !== '')) ?? program
  );
}
