import { ApiClient, guestCid, guestPort, requireVersion, type VersionRule } from '../api/index.ts';
import { VmmError } from '../error.ts';
import type { MachineOptions } from '../machine.ts';
import type { MachineProcess } from '../machine-process.ts';

/** Names in the machine's directory. A saved state holds that of the vsock, so it never changes. */
export const apiSocket = 'api.sock';
export const vsockSocket = 'vsock.sock';

/** The API of the machine in that directory. */
export function openApi(directory: string, { ended }: MachineProcess): ApiClient {
  return new ApiClient({ name: 'Firecracker', directory, socket: apiSocket, fault: parseFault, ended });
}

/** Which version answers. */
export async function findApiVersion(api: ApiClient, signal?: AbortSignal): Promise<string> {
  const answer = (await api.call('GET', '/version', undefined, { signal })) as {
    firecracker_version?: unknown;
  };
  return String(answer?.firecracker_version);
}

function parseFault(body: string): string {
  try {
    const { fault_message: fault } = JSON.parse(body) as { fault_message?: unknown };
    if (typeof fault === 'string') return fault;
  } catch {
    // not its own words
  }
  return body;
}

/** One request of the configuration. */
interface Step {
  readonly path: string;
  readonly body: object;
}

const mebibyte = 1024 * 1024;

/** Devices have interrupt lines of their own, 5 to 23 in all; some are the vsock's and the system's. */
const mostDisks = 16;

/** How the hypervisor reaches what it is to use: kernel and initramfs, and the disks. */
export interface GuestPaths {
  readonly payload: readonly [kernel: string, initramfs: string];
  readonly disks: readonly string[];
}

/** Configures and starts a guest. VmmError with the request that was refused and why. */
export async function boot(
  api: ApiClient,
  rule: VersionRule,
  options: MachineOptions,
  paths: GuestPaths,
): Promise<void> {
  const { signal } = options;
  requireVersion(rule, await findApiVersion(api, signal));
  for (const { path, body } of configurationSteps(options, paths))
    await api.call('PUT', path, body, { signal });
  await api.call('PUT', '/actions', { action_type: 'InstanceStart' }, { signal });
}

/**
 * Everything of the guest, in the order in which it is asked for: disks appear as vda, vdb, … in this order. There are
 * no devices but the disks, the vsock and the serial port. Firecracker takes memory in MiB.
 */
function configurationSteps(options: MachineOptions, { payload, disks }: GuestPaths): Step[] {
  const [kernel, initramfs] = payload;
  return [
    {
      path: '/machine-config',
      body: { vcpu_count: options.cpus, mem_size_mib: Math.ceil(options.memory / mebibyte) },
    },
    {
      path: '/boot-source',
      body: { kernel_image_path: kernel, initrd_path: initramfs, boot_args: bootArguments(options) },
    },
    ...options.disks.map(({ readOnly }, index) => ({
      path: `/drives/disk${index}`,
      body: {
        drive_id: `disk${index}`,
        path_on_host: disks[index]!,
        is_root_device: false,
        is_read_only: readOnly,
        // A flush of the guest is to be one: writable disks may be volumes that outlive the machine.
        ...(readOnly ? {} : { cache_type: 'Writeback' }),
      },
    })),
    { path: '/vsock', body: { guest_cid: guestCid, uds_path: vsockSocket } },
  ];
}

/**
 * The kernel's command line. There is no power to switch off here: a machine ends when its guest resets it, which
 * `reboot=k` does by the keyboard controller, and a panic as well. Nothing is probed that is not there: PCI, more
 * than one serial port, mice.
 */
function bootArguments(options: MachineOptions): string {
  return [
    'console=ttyS0 quiet reboot=k panic=-1 pci=off 8250.nr_uarts=1 swiotlb=noforce',
    'i8042.noaux i8042.nomux i8042.dumbkbd cryptomgr.notests random.trust_cpu=on',
    `shale.channels=vsock:${guestPort} shale.off=reboot`,
    ...options.commandLine,
  ].join(' ');
}

/** VmmError `unsupported` or `invalid` for what this hypervisor cannot do. */
export function checkOptions({ network, kernel, cpus, memory, disks }: MachineOptions): void {
  if (disks.length > mostDisks) throw new VmmError('exhausted', `a machine has at most ${mostDisks} disks`);
  if (network !== 'none') {
    throw new VmmError('unsupported', 'Firecracker has no network without a tap device of the host', {
      hint: 'use --network none, or --vmm qemu for a network that needs no privilege',
    });
  }
  if (kernel.vmlinux === undefined) {
    throw new VmmError('unsupported', 'Firecracker boots an uncompressed kernel (vmlinux) only', {
      hint: 'use a kernel that was installed with shale zone kernel install',
    });
  }
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > 32) {
    throw new VmmError('invalid', `Firecracker has 1 to 32 processors, not ${cpus}`, { detail: { cpus } });
  }
  if (!(memory >= mebibyte)) {
    throw new VmmError('invalid', `${memory} bytes are no memory for a machine`, { detail: { memory } });
  }
}
