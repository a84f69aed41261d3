import type { Commands } from './command.ts';
import { limits } from './shared.ts';

/** The daemon. */
export const serveCommands = {
  serve: {
    summary: 'serve snapshots to containerd, on a unix socket',
    description: [
      "Offers containerd's snapshots and diff services, by gRPC, so that containerd has Shale as a proxy plugin: ctr, nerdctl and " +
        'Kubernetes then keep their snapshots with Shale. How to set containerd up is in doc/containerd.md.',
      'A layer that the cache has, because shale pull has brought it, is neither fetched nor unpacked by containerd: it is told that its snapshot exists already.',
      'Only the user who runs the daemon can connect. It keeps its snapshots in ROOT/containerd, apart from those of shale snapshot, for containerd removes ' +
        'what it does not know. Two daemons cannot serve one root.',
      'All state is on disk: a daemon that is killed, updated or started again goes on where it was, and containers that run notice ' +
        'nothing. SIGTERM and SIGINT end it when what is being worked on has ended; a second one at once.',
      'Under systemd it takes a socket that was opened for it, tells when it is ready, and answers the watchdog. The standard health ' +
        'service (grpc.health.v1) answers as well.',
    ],
    operands: [],
    options: [
      ...(['address', 'containerd-address', 'root', 'no-cache', 'driver', 'driver-option'] as const),
      ...(['metrics', 'stop-timeout', 'log-format', 'log-level'] as const),
      ...limits,
    ],
    refinements: {
      driver: { default: 'the one that has been used, else the best that works here' },
      'no-cache': { help: 'do not take layers from the cache' },
    },
    examples: [
      { what: 'As root, for containerd', line: 'shale serve' },
      {
        what: 'Elsewhere, with metrics and every call in the log',
        line: 'shale serve --root /srv/shale --address /run/x/shale.sock --metrics :9090 --log-level debug',
      },
    ],
    statuses: { 0: 'it was told to stop, and has' },
  },
} as const satisfies Commands;
