import { existsSync } from 'node:fs';
import { ShaleError } from '../../../error/index.ts';
import { findProgram, isRoot } from '../../../host/index.ts';
import type { DriverOptions, Support } from '../driver.ts';
import type { Tool } from '../tool.ts';
import { dmsetup, dmsetupTool } from './dmsetup.ts';
import { losetupTool } from './file-pool.ts';
import { formatters } from './filesystem.ts';
import { poolHint } from './open.ts';
import { ThinPool, thinList } from './pool.ts';
import { readDevmapperSettings } from './settings.ts';

/** Looks at everything that takes nothing but looking: tools, the kernel's target, the pool. A pool on files is not made for it. */
export async function probeDevmapper(options: DriverOptions): Promise<Support> {
  try {
    return await probe(options);
  } catch (error) {
    if (!(error instanceof ShaleError)) throw error;
    return { usable: false, reason: error.message, hint: error.hint ?? poolHint };
  }
}

async function probe(options: DriverOptions): Promise<Support> {
  const { pool, type } = readDevmapperSettings(options);
  if (!isRoot()) return { usable: false, reason: 'device-mapper takes root', hint: 'run it as root' };
  const tools = [dmsetupTool, thinList, formatters[type], ...(pool?.kind === 'files' ? [losetupTool] : [])];
  const missing = tools.filter(tool => findProgram(tool.program) === undefined);
  if (missing.length > 0) return lacks(missing);
  if (!existsSync('/dev/mapper/control') || !/^thin-pool\b/m.test(await targets())) {
    return {
      usable: false,
      reason: 'this kernel has no thin pools (target thin-pool of device-mapper)',
      hint: 'load the module: modprobe dm-thin-pool; or run it on a kernel that has it, as Debian’s',
    };
  }
  if (pool === undefined) return { usable: false, reason: 'no thin pool is named', hint: poolHint };
  if (pool.kind === 'files') {
    return {
      usable: true,
      note: 'a pool on files is for trying it out: it is slow, and breaks when the disk is full',
    };
  }
  await (await ThinPool.open(pool.name, '')).requireSpace();
  return { usable: true };
}

async function targets(): Promise<string> {
  try {
    return await dmsetup(['targets'], { doing: 'ask the kernel for its targets' });
  } catch {
    return '';
  }
}

function lacks(tools: readonly Tool[]): Support {
  const packages = [...new Set(tools.map(tool => tool.package))];
  return {
    usable: false,
    reason: `there is no ${tools.map(tool => tool.program).join(', no ')}`,
    hint: `install: apt install ${packages.join(' ')}`,
  };
}
