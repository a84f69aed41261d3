import { ShaleError } from '../../../error/index.ts';
import { findProgram, isRoot } from '../../../host/index.ts';
import type { DriverOptions, Support } from '../driver.ts';
import { zfs, zfsTool, zpoolTool } from './command.ts';
import { datasetHint, readDataset } from './open.ts';

/** Looks for the tools, then the kernel's module, then the dataset: what is missing first is said. */
export async function probeZfs(options: DriverOptions): Promise<Support> {
  try {
    return await probe(options);
  } catch (error) {
    if (!(error instanceof ShaleError)) throw error;
    return { usable: false, reason: error.message, hint: error.hint ?? datasetHint };
  }
}

async function probe(options: DriverOptions): Promise<Support> {
  const dataset = readDataset(options);
  for (const { program, package: name } of [zfsTool, zpoolTool]) {
    if (findProgram(program) !== undefined) continue;
    const hint = `install it: apt install ${name} (Debian’s contrib), and zfs-dkms for the kernel’s module`;
    return { usable: false, reason: `there is no ${program}`, hint };
  }
  if (!isRoot()) return { usable: false, reason: 'mounting ZFS takes root', hint: 'run it as root' };
  // Fails without the module, whatever datasets there are.
  await zfs(['list', '-H', '-o', 'name', '-d', '0'], { doing: 'use ZFS' });
  if (dataset === undefined) return { usable: false, reason: 'no dataset is named', hint: datasetHint };
  const words = ['get', '-H', '-o', 'value', 'type', dataset];
  const type = (await zfs(words, { doing: `use the dataset ${dataset}` })).trim();
  if (type === 'filesystem') return { usable: true };
  return { usable: false, reason: `${dataset} is a ${type}, no filesystem`, hint: datasetHint };
}
