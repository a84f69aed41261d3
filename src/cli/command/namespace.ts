import type { Commands } from './command.ts';
import { brief } from './shared.ts';

/** The namespace of an ordinary user. */
export const namespaceCommands = {
  unshare: {
    summary: 'run a command, or a shell, where your mounts and snapshots are',
    description: [
      'A user who is not root mounts, and keeps the owners of an image, in a user namespace: there he is root, and his subordinate ids ' +
        '(/etc/subuid, /etc/subgid) are all others. Commands of Shale that need it enter it by themselves. It stays when they end, and with ' +
        'it what they have mounted; this runs a command of yours in it, with its input, output, signals and exit status.',
      'What is mounted there is seen only there. A process of no weight keeps the namespace until the machine is turned off, or --end.',
    ],
    operands: [
      {
        name: 'COMMAND',
        help: 'what to run, with its arguments, behind -- if they have flags; without it $SHELL',
        optional: true,
        many: true,
      },
    ],
    options: ['end', 'force', ...brief],
    refinements: { force: { help: 'end what still runs there, too' } },
    examples: [
      { what: 'A shell', line: 'shale unshare' },
      { what: 'What is mounted', line: 'shale unshare -- findmnt -R /home/me/rootfs' },
      { what: 'Unmount it all', line: 'shale unshare --end --force' },
    ],
    statuses: { 12: 'processes run there, and --force was not given' },
  },
} as const satisfies Commands;
