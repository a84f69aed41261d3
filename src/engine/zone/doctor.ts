import { findDataRoot, findProgram, isRoot, runProgram } from '../../host/index.ts';
import { openKernel } from '../../kernel/index.ts';
import { type VmmDriver, type VmmName, type VmmProbe, vmmDriver, vmmNames } from '../../vmm/index.ts';
import { checkDrivers } from '../snapshot/doctor.ts';
import { findBootFiles } from './machine.ts';
import type { DoctorCheck, DoctorReport } from './report.ts';
import type { ZoneOptions } from './request.ts';

/** What each hypervisor is good for, beside whether it works. */
const notes: Readonly<Record<VmmName, string>> = {
  qemu: 'everything: networks, saved states',
  firecracker: 'saved states; no network of its own',
  'cloud-hypervisor': 'saved states; no network of its own',
  uml: 'a kernel as an ordinary process: weaker isolation, neither network nor saved states; chosen only with --vmm uml',
};

const noKernel = 'shale zone kernel install';

/** Tries what zones need on this machine, and says what is missing and how to get it. Boots machines to do so. */
export async function doctor({ root = findDataRoot(), signal }: ZoneOptions = {}): Promise<DoctorReport> {
  const kernel = await checkKernel(root);
  const hypervisors: DoctorCheck[] = [];
  for (const name of vmmNames) hypervisors.push(await checkVmm(root, name, signal));
  const works = (name: VmmName) => hypervisors[vmmNames.indexOf(name)]!.ok !== false;
  // User-Mode Linux brings a kernel of its own.
  const usable = works('uml') || (kernel.ok === true && vmmNames.some(works));
  const checks = [kernel, ...hypervisors];
  checks.push(checkProgram('mkfs.ext4', 'volumes and scratch disks', 'install e2fsprogs'));
  checks.push(await checkConfinement());
  const drivers = await checkDrivers({ root });
  const mountable = drivers.some(({ name, ok }) => name === 'snapshots' && ok !== false);
  return { checks: [...checks, ...drivers], usable, mountable };
}

async function checkKernel(root: string): Promise<DoctorCheck> {
  try {
    const { name, release } = await openKernel({ root });
    return { name: 'kernel', ok: true, detail: `${name} (${release})` };
  } catch (error) {
    return { name: 'kernel', ok: false, detail: (error as Error).message, hint: noKernel };
  }
}

async function checkVmm(root: string, name: VmmName, signal: AbortSignal | undefined): Promise<DoctorCheck> {
  const driver = await vmmDriver(name);
  const probe = await driver.probe({ signal, ...(name !== 'uml' && (await findTrial(root, driver))) });
  const { usable, version, acceleration, reason, hint } = probe;
  const parts = [version, acceleration && describe(acceleration), reason, usable ? notes[name] : undefined];
  return {
    name,
    ok: usable ? (isWhole(name, probe) ? true : 'degraded') : false,
    detail: parts.filter(part => part !== undefined && part !== '').join('; '),
    ...(hint !== undefined && { hint }),
  };
}

/** Whether it is what it should be: emulation and User-Mode Linux are something less. */
function isWhole(name: VmmName, { acceleration }: VmmProbe): boolean {
  return name === 'uml' ? false : acceleration !== 'tcg';
}

function describe(acceleration: string): string {
  return acceleration === 'kvm' ? 'KVM, tried' : 'software emulation (TCG), slow';
}

/** With a kernel, acceleration is tried; without one it can only be guessed. */
async function findTrial(root: string, driver: VmmDriver) {
  try {
    const needs = { network: 'none', verity: false, format: 'squashfs' } as const;
    const { kernel, initramfs } = await findBootFiles(root, driver, { needs });
    return { kernel: { vmlinux: kernel.vmlinux, bzImage: kernel.bzImage }, initramfs: initramfs.path };
  } catch {
    return {};
  }
}

function checkProgram(name: string, purpose: string, hint: string): DoctorCheck {
  const path = findProgram(name);
  if (path !== undefined) return { name, ok: true, detail: `${path}; for ${purpose}` };
  return { name, ok: 'degraded', detail: `not found; no ${purpose} without it`, hint };
}

async function checkConfinement(): Promise<DoctorCheck> {
  const name = 'confinement';
  if (isRoot()) {
    return {
      name,
      ok: true,
      detail: 'hypervisors run as a user and in namespaces of their own, without privileges',
    };
  }
  try {
    const { status } = await runProgram('unshare', ['--user', '--map-current-user', '--net', 'true'], {
      timeout: 5000,
    });
    if (status === 0) return { name, ok: true, detail: 'hypervisors run in namespaces of their own' };
  } catch {}
  return {
    ...{
      name,
      ok: 'degraded',
      detail: 'no user namespaces: hypervisors run as you, with your files in reach',
    },
    hint: 'allow unprivileged user namespaces, or run Shale as root, which gives each hypervisor a user of its own',
  };
}
