import { spawnSync } from 'node:child_process';
import path from 'node:path';

export type ErofsTool = 'mkfs.erofs' | 'fsck.erofs' | 'dump.erofs';
const tools: readonly ErofsTool[] = ['mkfs.erofs', 'fsck.erofs', 'dump.erofs'];

/** The first that reads tars, merges images and knows zstd and all that tests ask of it. */
const oldest = [1, 8, 5] as const;
/** They write images with wrong data. */
const broken = ['1.8.7', '1.8.8'];

/**
 * The command of a recent program of erofs-utils: from the directory that `SHALE_EROFS_TOOLS` names, which `.ci/run` makes, else the
 * machine's own if it is recent enough. `undefined` where there is none: Debian 12's 1.5 knows neither zstd nor tars.
 */
export function newErofsTool(name: ErofsTool): string | undefined {
  if (!found.has(name)) found.set(name, find(name));
  return found.get(name);
}

/**
 * The reason to skip a test that takes the programs that `newErofsTool` finds, false when all are there; throws where
 * `SHALE_REQUIRE_ALL` is set, as `requires` does.
 */
export function requiresNewErofs(): string | false {
  if (tools.every(name => newErofsTool(name) !== undefined)) return false;
  const reason = `no erofs-utils of ${oldest.join('.')} or later (${broken.join(' and ')} excepted)`;
  if (process.env.SHALE_REQUIRE_ALL) throw new Error(`${reason}; .ci/run must set SHALE_EROFS_TOOLS`);
  return `${reason}; SHALE_EROFS_TOOLS may name a directory that has them`;
}

const found = new Map<ErofsTool, string | undefined>();

function find(name: ErofsTool): string | undefined {
  const directory = process.env.SHALE_EROFS_TOOLS;
  if (directory) {
    const version = versionOf(path.join(directory, name));
    if (!isRecent(version)) {
      throw new Error(
        `SHALE_EROFS_TOOLS: ${path.join(directory, name)} is of version ${version ?? 'unknown'}`,
      );
    }
    return path.join(directory, name);
  }
  return isRecent(versionOf(name)) ? name : undefined;
}

/** 1.5 answers to `-V` alone; that it fails then is no matter. */
function versionOf(program: string): string | undefined {
  const { stdout } = spawnSync(program, ['-V'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return /^\S+ (?:\(erofs-utils\) )?(\d+(?:\.\d+)+)/.exec(stdout ?? '')?.[1];
}

function isRecent(version: string | undefined): boolean {
  if (version === undefined || broken.includes(version)) return false;
  const numbers = version.split('.').map(Number);
  const difference =
    oldest.map((least, index) => (numbers[index] ?? 0) - least).find(each => each !== 0) ?? 0;
  return difference >= 0;
}
