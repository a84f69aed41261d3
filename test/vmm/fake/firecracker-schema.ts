import type { Schemas } from './schema.ts';

const path = 'string';
const limiter = { object: 'RateLimiter' } as const;

/**
 * Which fields the bodies of Firecracker's API have and which of them are required: a transcription of the names in
 * its published description (src/firecracker/swagger/firecracker.yaml, 1.17-dev), as far as Shale could come to use
 * them. Beyond the description, `path_on_host` is required of a drive without a socket, as its text says.
 */
export const firecrackerSchemas: Schemas = {
  BootSource: { 'kernel_image_path!': path, initrd_path: path, boot_args: 'string' },
  Drive: {
    'drive_id!': 'string',
    'is_root_device!': 'boolean',
    partuuid: 'string',
    cache_type: { oneOf: ['Unsafe', 'Writeback'] },
    is_read_only: 'boolean',
    path_on_host: path,
    rate_limiter: limiter,
    io_engine: { oneOf: ['Sync', 'Async'] },
    socket: path,
  },
  EntropyDevice: { rate_limiter: limiter },
  InstanceActionInfo: { 'action_type!': { oneOf: ['FlushMetrics', 'InstanceStart', 'SendCtrlAltDel'] } },
  Logger: {
    level: { oneOf: ['Error', 'Warning', 'Info', 'Debug', 'Trace', 'Off'] },
    log_path: path,
    show_level: 'boolean',
    show_log_origin: 'boolean',
    module: 'string',
  },
  MachineConfiguration: {
    'mem_size_mib!': 'integer',
    'vcpu_count!': { integer: [1, 32] },
    cpu_template: 'string',
    smt: 'boolean',
    track_dirty_pages: 'boolean',
    huge_pages: { oneOf: ['None', 'Transparent', '2M'] },
  },
  MemoryBackend: { 'backend_type!': { oneOf: ['File', 'Uffd'] }, 'backend_path!': path },
  NetworkInterface: {
    'host_dev_name!': 'string',
    'iface_id!': 'string',
    guest_mac: 'string',
    mtu: { integer: [68, 65535] },
    rx_rate_limiter: limiter,
    tx_rate_limiter: limiter,
  },
  NetworkOverride: { 'iface_id!': 'string', 'host_dev_name!': 'string' },
  RateLimiter: { bandwidth: { object: 'TokenBucket' }, ops: { object: 'TokenBucket' } },
  SerialDevice: { serial_out_path: path, rate_limiter: { object: 'TokenBucket' } },
  SnapshotCreateParams: {
    'mem_file_path!': path,
    'snapshot_path!': path,
    snapshot_type: { oneOf: ['Full', 'Diff'] },
  },
  SnapshotLoadParams: {
    'snapshot_path!': path,
    enable_diff_snapshots: 'boolean',
    track_dirty_pages: 'boolean',
    mem_file_path: path,
    mem_backend: { object: 'MemoryBackend' },
    resume_vm: 'boolean',
    network_overrides: { list: { object: 'NetworkOverride' } },
    vsock_override: { object: 'VsockOverride' },
    clock_realtime: 'boolean',
    huge_pages: { oneOf: ['Snapshot', 'None', 'Transparent', '2M'] },
  },
  TokenBucket: { 'refill_time!': 'integer', 'size!': 'integer', one_time_burst: 'integer' },
  Vm: { 'state!': { oneOf: ['Paused', 'Resumed'] } },
  Vsock: { 'guest_cid!': { integer: [3, 0xffffffff] }, 'uds_path!': path, vsock_id: 'string' },
  VsockOverride: { 'uds_path!': path },
};
