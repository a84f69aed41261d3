import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** What one run of a command line cost. CPU seconds are of all its processes. */
export interface Cost {
  readonly seconds: number;
  readonly user: number;
  readonly system: number;
  /** Of the largest single process, in bytes; undefined where GNU time is not installed. */
  readonly peakMemory: number | undefined;
}

/** Whether the shell finds `program`. */
export function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program], { stdio: 'ignore' }).status === 0;
}

const gnuTime =
  isInstalled('/usr/bin/time') && !/busybox/i.test(readFileSync('/usr/bin/time', 'latin1').slice(0, 4096));

/**
 * Runs `command` in bash, where a pipeline fails if any part of it does, and measures it: with GNU time, since only the
 * one who waits for a process learns its peak memory, and Node does not tell; with bash's own `time` where that lacks.
 */
export function measure(command: string, directory: string): Cost {
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'shale-measure-'));
  try {
    const report = path.join(scratch, 'report');
    const script = `set -o pipefail; ${command}`;
    const begin = performance.now();
    const { status, stderr } = gnuTime
      ? run('/usr/bin/time', ['-f', '%U %S %M', '-o', report, 'bash', '-c', script], directory)
      : run(
          'bash',
          ['-c', `TIMEFORMAT='%3U %3S'; { time { ${script}; } 2>&3; } 3>&2 2>'${report}'`],
          directory,
        );
    const seconds = (performance.now() - begin) / 1000;
    if (status !== 0) throw new Error(`status ${status} of: ${command}\n${stderr}`);
    const [user = Number.NaN, system = Number.NaN, kibibytes] = readFileSync(report, 'utf8')
      .trim()
      .split(/\s+/)
      .map(Number);
    return { seconds, user, system, peakMemory: kibibytes === undefined ? undefined : kibibytes * 1024 };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function run(program: string, args: readonly string[], cwd: string) {
  const { status, stderr } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return { status, stderr };
}

/** The run in the middle by elapsed time, whole: its CPU time and memory belong to its seconds. */
export function median(costs: readonly Cost[]): Cost {
  const sorted = [...costs].sort((a, b) => a.seconds - b.seconds);
  return sorted[Math.floor((sorted.length - 1) / 2)]!;
}
