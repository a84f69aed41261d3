import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, statfsSync } from 'node:fs';
import { release, tmpdir } from 'node:os';

/** What a test needs beyond Node. */
export interface Requirements {
  /** Programs on the PATH; CI installs them all (`.ci/run`). */
  readonly tools?: readonly string[];
  readonly root?: boolean;
  /** Filesystems that the kernel must mount, such as `squashfs` or `overlay`; that takes root as well. */
  readonly mounts?: readonly string[];
}

/**
 * The reason to skip, for `test(name, { skip: requires({ tools: ['unsquashfs'] }) }, …)`; false when all is there. Where
 * `SHALE_REQUIRE_ALL` is set, a missing program throws instead: CI is where every judge has to speak. Root and kernel
 * features cannot be installed, so their lack remains a skip, which the runner lists.
 */
export function requires({ tools = [], root = false, mounts = [] }: Requirements): string | false {
  const missing = tools.filter(tool => !isInstalled(tool));
  if (missing.length > 0) {
    const reason = `not installed: ${missing.join(', ')}`;
    if (process.env.SHALE_REQUIRE_ALL) throw new Error(`${reason}; .ci/run must install it`);
    return reason;
  }
  if ((root || mounts.length > 0) && process.geteuid?.() !== 0) return 'needs root';
  if (mounts.length > 0 && !mayMount()) return 'needs CAP_SYS_ADMIN, to mount';
  if (mounts.includes('overlay') && statfsSync(tmpdir()).type === overlayType) {
    return 'temporary files are on an overlay, on which no other can be written to: set TMPDIR';
  }
  const unknown = mounts.filter(type => !isMountable(type));
  return unknown.length > 0 && `this kernel has no ${unknown.join(', ')}`;
}

/** The reason to skip what this kernel cannot know yet, or false: `isBeforeLinux('5.14')`. */
export function isBeforeLinux(least: string): string | false {
  const [major = 0, minor = 0] = release()
    .split('.')
    .map(part => Number.parseInt(part, 10));
  const [leastMajor = 0, leastMinor = 0] = least.split('.').map(Number);
  const isOlder = major < leastMajor || (major === leastMajor && minor < leastMinor);
  return isOlder && `takes Linux ${least}`;
}

/** OVERLAYFS_SUPER_MAGIC (linux/magic.h). */
const overlayType = 0x794c7630;

function isInstalled(tool: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', tool], { stdio: 'ignore' }).status === 0;
}

/** Bit 21 of the effective set (capability.h); containers take it away from their root. */
function mayMount(): boolean {
  const set = /^CapEff:\s*([0-9a-f]+)$/m.exec(readText('/proc/self/status'))?.[1];
  return set !== undefined && (BigInt(`0x${set}`) & (1n << 21n)) !== 0n;
}

function isMountable(type: string): boolean {
  if (isListed(type)) return true;
  try {
    execFileSync('modprobe', ['-q', type], { stdio: 'ignore' });
  } catch {
    return false;
  }
  return isListed(type);
}

function isListed(type: string): boolean {
  return readText('/proc/filesystems')
    .split('\n')
    .some(line => line.split('\t')[1] === type);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
