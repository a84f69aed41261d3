import type { Option } from './option.ts';

/** The flags that only the daemon has. */
export const serveOptions = {
  address: {
    kind: 'text',
    value: 'SOCKET',
    help: 'the unix socket to serve on; its directory is made if it is not there',
    default:
      "a service manager's, else /run/shale/shale.sock for root, $XDG_RUNTIME_DIR/shale/shale.sock for others",
  },
  'containerd-address': {
    kind: 'text',
    value: 'SOCKET',
    help: "containerd's own socket: layers come from its content store, and go there",
    default: '/run/containerd/containerd.sock',
  },
  metrics: {
    kind: 'text',
    value: 'HOST:PORT|unix:SOCKET',
    help: 'where Prometheus can read metrics, at /metrics; anybody who can connect may read them',
  },
  'stop-timeout': {
    kind: 'duration',
    value: 'TIME',
    help: 'how long what is being worked on may go on when the daemon is told to stop',
    default: '30s',
  },
  'log-format': {
    kind: 'choice',
    choices: ['text', 'json'],
    help: 'how the log is written to standard error',
    default: 'text on a terminal, else json: an object a line',
  },
  'log-level': {
    kind: 'choice',
    choices: ['debug', 'info', 'warn', 'error'],
    help: 'the least urgent that is written; debug has every call',
    default: 'info',
  },
} as const satisfies Readonly<Record<string, Option>>;
