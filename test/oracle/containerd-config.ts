/** containerd's configuration, in the words of its version: doc/containerd.md says the same to people. */

export interface ConfigOptions {
  /** The first number of containerd's version. */
  readonly major: number;
  readonly root: string;
  readonly state: string;
  readonly socket: string;
  /** Shale's. */
  readonly snapshotter: string;
  /** Whether Shale applies and makes layers, too. */
  readonly differ: boolean;
  /** Whether the layers of an image are unpacked at once, and put onto each other when they are committed; takes containerd 2.2. */
  readonly rebase: boolean;
  /** What a pod's own container is of. */
  readonly sandboxImage: string;
  /** Where hosts.toml files may be. */
  readonly hosts: string;
}

export function formatConfig(options: ConfigOptions): string {
  const { major, differ, rebase } = options;
  const unused = ['btrfs', 'devmapper', 'zfs', 'aufs'].map(name => `io.containerd.snapshotter.v1.${name}`);
  const lines = [
    `version = ${major < 2 ? 2 : 3}`,
    `root = ${text(options.root)}`,
    `state = ${text(options.state)}`,
    `disabled_plugins = ${JSON.stringify(unused)}`,
    '[grpc]',
    `address = ${text(options.socket)}`,
    ...proxy('shale', 'snapshot', options),
    ...(rebase ? ['capabilities = ["rebase"]'] : []),
    ...(differ ? [...proxy('shale-diff', 'diff', options), ...useDiffer] : []),
    ...(differ || major >= 2 ? transfer(differ) : []),
    ...(rebase ? unpackAtOnce : []),
    ...(major < 2 ? formatCri(options) : formatCri3(options)),
  ];
  return `${lines.join('\n')}\n`;
}

const proxy = (name: string, type: string, { snapshotter }: ConfigOptions) => [
  `[proxy_plugins.${name}]`,
  `type = ${text(type)}`,
  `address = ${text(snapshotter)}`,
];

const useDiffer = ['[plugins."io.containerd.service.v1.diff-service"]', 'default = ["shale-diff"]'];

/** Of the service that pulls for most clients since containerd 2. */
const transfer = (differ: boolean) => [
  '[[plugins."io.containerd.transfer.v1.local".unpack_config]]',
  `platform = "linux/${process.arch === 'x64' ? 'amd64' : process.arch}"`,
  'snapshotter = "shale"',
  ...(differ ? ['differ = "shale-diff"'] : []),
];

const unpackAtOnce = ['[plugins."io.containerd.transfer.v1.local"]', 'max_concurrent_unpacks = 4'];

// Of a pod's oom_score_adj: what CRI asks for takes a capability that root need not have.
const formatCri = ({ sandboxImage, hosts }: ConfigOptions) => [
  '[plugins."io.containerd.grpc.v1.cri"]',
  `sandbox_image = ${text(sandboxImage)}`,
  'stream_server_port = "0"',
  'restrict_oom_score_adj = true',
  '[plugins."io.containerd.grpc.v1.cri".containerd]',
  'snapshotter = "shale"',
  'disable_snapshot_annotations = false',
  '[plugins."io.containerd.grpc.v1.cri".registry]',
  `config_path = ${text(hosts)}`,
];

const formatCri3 = ({ sandboxImage, hosts }: ConfigOptions) => [
  '[plugins."io.containerd.grpc.v1.cri"]',
  'stream_server_port = "0"',
  '[plugins."io.containerd.cri.v1.runtime"]',
  'restrict_oom_score_adj = true',
  '[plugins."io.containerd.cri.v1.images"]',
  'snapshotter = "shale"',
  'disable_snapshot_annotations = false',
  '[plugins."io.containerd.cri.v1.images".pinned_images]',
  `sandbox = ${text(sandboxImage)}`,
  '[plugins."io.containerd.cri.v1.images".registry]',
  `config_path = ${text(hosts)}`,
];

/** TOML's strings are JSON's. */
const text = (value: string) => JSON.stringify(value);
