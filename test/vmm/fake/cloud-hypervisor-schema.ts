import type { Rule, Schemas } from './schema.ts';

const path = 'string';
const pci: Readonly<Record<string, Rule>> = {
  id: 'string',
  pci_segment: 'integer',
  pci_device_id: 'integer',
  iommu: 'boolean',
};
const consoleMode: Rule = { oneOf: ['Off', 'Pty', 'Tty', 'File', 'Socket', 'Null'] };

/**
 * Which fields the bodies of Cloud Hypervisor's API have and which of them are required: a transcription of the names
 * in its published description (vmm/src/api/openapi/cloud-hypervisor.yaml, after v53), as far as Shale could come to
 * use them. The real one ignores fields that it does not know; here they are faults.
 */
export const cloudHypervisorSchemas: Schemas = {
  ConsoleConfig: { 'mode!': consoleMode, file: path, socket: path, ...pci },
  CpusConfig: {
    'boot_vcpus!': { integer: [1, 4096] },
    'max_vcpus!': { integer: [1, 4096] },
    kvm_hyperv: 'boolean',
    max_phys_bits: 'integer',
    nested: 'boolean',
    core_scheduling: { oneOf: ['Vm', 'Vcpu', 'Off'] },
  },
  DiskConfig: {
    path,
    readonly: 'boolean',
    direct: 'boolean',
    num_queues: 'integer',
    queue_size: 'integer',
    vhost_user: 'boolean',
    vhost_socket: path,
    serial: 'string',
    rate_limit_group: 'string',
    backing_files: 'boolean',
    sparse: 'boolean',
    image_type: { oneOf: ['FixedVhd', 'Qcow2', 'Raw', 'Vhdx', 'Unknown'] },
    lock_granularity: { oneOf: ['ByteRange', 'Full'] },
    ...pci,
  },
  MemoryConfig: {
    'size!': 'integer',
    hotplug_size: 'integer',
    hotplugged_size: 'integer',
    mergeable: 'boolean',
    hotplug_method: 'string',
    shared: 'boolean',
    hugepages: 'boolean',
    hugepage_size: 'integer',
    prefault: 'boolean',
    reserve: 'boolean',
    thp: 'boolean',
  },
  PayloadConfig: {
    firmware: path,
    kernel: path,
    cmdline: 'string',
    initramfs: path,
    igvm: path,
    host_data: 'string',
  },
  RestoreConfig: {
    'source_url!': 'string',
    prefault: 'boolean',
    memory_restore_mode: { oneOf: ['Copy', 'OnDemand'] },
    resume: 'boolean',
  },
  RngConfig: { 'src!': path, ...pci },
  SerialConfig: { 'mode!': consoleMode, file: path, socket: path },
  VmConfig: {
    'payload!': { object: 'PayloadConfig' },
    cpus: { object: 'CpusConfig' },
    memory: { object: 'MemoryConfig' },
    disks: { list: { object: 'DiskConfig' } },
    rng: { object: 'RngConfig' },
    serial: { object: 'SerialConfig' },
    console: { object: 'ConsoleConfig' },
    vsock: { object: 'VsockConfig' },
    iommu: 'boolean',
    watchdog: 'boolean',
    pvpanic: 'boolean',
    landlock_enable: 'boolean',
  },
  VmSnapshotConfig: { destination_url: 'string' },
  VsockConfig: { 'cid!': { integer: [3, 0xffffffff] }, 'socket!': path, ...pci },
};
