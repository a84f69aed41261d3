import type { Commands, Families, Operand } from './command.ts';
import { brief, limits, registry, sourcing } from './shared.ts';

const zone: Operand = { name: 'ZONE', help: 'its name, its id or the start of one' };
const zones: Operand = { ...zone, many: true };

/** What a process gets, in `run` and in `exec`. */
const process = ['interactive', 'tty', 'env', 'env-file', 'workdir', 'user'] as const;

/** Exit statuses of whatever hands on that of another command. */
const statuses = {
  0: 'the command ended with 0; or it was let go of',
  124: 'the time limit (--timeout) was reached',
  126: 'the command cannot be executed',
  127: 'the command is not there',
};

/** Running an image, and what it needs of this machine. */
export const runCommands = {
  run: {
    summary: 'run an image in a zone: a virtual machine of its own',
    description: [
      'Boots a virtual machine with a kernel of its own, mounts IMAGE in it read-only with a writable layer above, and runs the ' +
        "image's command or COMMAND. Nothing of the image is ever mounted or parsed by this machine's kernel. An image that the " +
        'cache does not have is pulled; one that it has as a squashfs starts at once.',
      'All that follows IMAGE belongs to COMMAND, flags too; -- may stand between the two. Flags of Shale come before IMAGE.',
      'What the command writes comes out here, and Shale ends with its exit status: 128 and the number of a signal that killed it, 126 and 127 where it cannot be started. ' +
        'SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 and SIGWINCH go to the command, once it runs; before that ' +
        'they give the launch up. Three SIGINTs within two seconds kill the zone. With -it Ctrl-C goes in as the key that it is, and Ctrl-P Ctrl-Q leaves the zone alone. ' +
        'What Shale itself fails with has the statuses below, too.',
      'What is written is in memory (half of --memory, or --upper-size) or on a disk (--scratch), and is gone with the zone; only a --volume ' +
        'stays. Without --network the zone has no network. A zone that has ended stays for shale zone logs until shale zone rm; with --rm it does not.',
    ],
    operands: [
      {
        name: 'IMAGE',
        help: 'the image: a name such as nginx, or any other source (see SOURCE of render)',
      },
      {
        name: 'COMMAND',
        help: "what to run, with its arguments, instead of the image's own command",
        optional: true,
        many: true,
        verbatim: true,
      },
    ],
    options: [
      ...process,
      'entrypoint',
      'memory',
      'cpus',
      'name',
      'hostname',
      'rm',
      'detach',
      'timeout',
      ...(['read-only', 'tmpfs', 'upper-size', 'scratch', 'volume', 'network', 'publish'] as const),
      ...(['vmm', 'machine', 'accel', 'kernel', 'kernel-args', 'first', 'verity', 'warm'] as const),
      ...([
        'boot-timeout',
        'console',
        'times',
        'format',
        'jobs',
        'strict',
        'progress',
        'quiet',
        'json',
      ] as const),
      ...sourcing,
      ...limits,
    ],
    refinements: {
      memory: { help: 'of the zone, its writable layer included', default: '512M' },
      format: {
        choices: ['squashfs', 'erofs'],
        help: 'what the image is rendered to, as the disk of the zone',
        default: 'squashfs',
      },
      quiet: { help: 'no progress, no warnings, no word on emulation' },
      json: { help: 'with --detach: print the zone as one JSON object; otherwise only an error' },
    },
    examples: [
      { what: 'One command', line: 'shale run --rm alpine uname -a' },
      { what: 'A shell', line: 'shale run --rm -it debian:stable-slim bash' },
      {
        what: 'A service, with a port and a volume',
        line: 'shale run -d --name web -p 8080:80 -v pages:/usr/share/nginx/html nginx',
      },
      { what: 'A filter', line: 'shale run --rm -i alpine -- tr a-z A-Z < text' },
      {
        what: 'Somebody else’s program, with a limit',
        line: 'shale run --rm --read-only --memory 1G --timeout 5m oci:layout:latest',
      },
      { what: 'Without virtualisation', line: 'shale run --rm --vmm uml alpine uname -a' },
    ],
    statuses: {
      ...statuses,
      10: 'a limit was passed, or the disk is full',
      11: 'the zone did not come up: its last words are in the message',
    },
  },
} as const satisfies Commands;

/** What runs, and what is left of what ran. */
export const zoneCommands = {
  'zone ls': {
    summary: 'list the zones, also those that have ended',
    description: [
      'One line for each zone, the oldest first. A zone whose machine is gone without a word is lost.',
    ],
    operands: [],
    options: brief,
    refinements: { quiet: { help: 'only the ids, one a line' } },
    examples: [{ what: 'All zones', line: 'shale zone ls' }],
  },
  'zone logs': {
    summary: 'show what the command of a zone has written',
    description: [
      'What a zone writes is kept on a disk of its own, of which the oldest is overwritten when it is full (1 MiB). What was written to standard ' +
        'error goes to standard error.',
    ],
    operands: [zone],
    options: ['follow', 'timestamps', 'tail', 'root'],
    examples: [
      { what: 'All that is there', line: 'shale zone logs web' },
      { what: 'The last lines, and what comes', line: 'shale zone logs -f --tail 20 web' },
    ],
  },
  'zone exec': {
    summary: 'run one more command in a zone',
    description: [
      'The command sees what the workload sees: its files, its processes, its variables. All that follows ZONE belongs to it, flags ' +
        'too. Shale ends with its exit status; a Shale that is killed takes it along, and never the zone.',
    ],
    operands: [
      zone,
      { name: 'COMMAND', help: 'what to run, with its arguments', many: true, verbatim: true },
    ],
    options: [...process, 'root'],
    refinements: {
      workdir: { default: "the zone's" },
      user: { default: "the zone's" },
    },
    examples: [
      { what: 'Look around', line: 'shale zone exec web ps' },
      { what: 'A shell', line: 'shale zone exec -it web sh' },
    ],
    statuses,
  },
  'zone attach': {
    summary: 'take over the input and output of a zone',
    description: [
      'From here on the streams of its command come from and go to this Shale, as if it had started it; a Shale that had them has ' +
        'them no more. With a terminal Ctrl-P Ctrl-Q lets go again; without one a killed Shale does.',
    ],
    operands: [zone],
    options: ['root', 'quiet'],
    examples: [{ what: 'A shell that was left', line: 'shale zone attach build' }],
    statuses,
  },
  'zone stop': {
    summary: 'ask the command of a zone to end, and kill it if it does not',
    description: [
      "Sends the image's stop signal (SIGTERM if it names none); after --grace the command is killed. The zone stays until shale zone rm.",
    ],
    operands: [zones],
    options: ['grace', ...brief],
    examples: [{ what: 'With a minute to finish', line: 'shale zone stop --grace 1m web' }],
  },
  'zone kill': {
    summary: 'send a signal to the command of a zone',
    description: [
      'SIGKILL cuts the whole machine off; any other signal goes to the command and does what it does there.',
    ],
    operands: [zones],
    options: ['signal', ...brief],
    examples: [
      { what: 'At once', line: 'shale zone kill web' },
      { what: 'Read the configuration again', line: 'shale zone kill --signal HUP web' },
    ],
  },
  'zone rm': {
    summary: 'remove zones, with what was written in them',
    description: ['A zone that runs is not removed but with --force. Volumes stay.'],
    operands: [{ ...zones, optional: true }],
    options: ['force', 'all', ...brief],
    refinements: { all: { help: 'every zone that has ended; with --force every zone' } },
    examples: [
      { what: 'One of them', line: 'shale zone rm web' },
      { what: 'Whatever has ended', line: 'shale zone rm --all' },
    ],
  },
  'zone inspect': {
    summary: 'show all that is known of a zone',
    description: ['Its image, its machine, its command, its disks and how it ended.'],
    operands: [zone],
    options: ['root', 'json'],
    examples: [
      { what: 'For people', line: 'shale zone inspect web' },
      { what: 'For a program', line: 'shale zone inspect web --json | jq -r .state' },
    ],
  },
  'zone commit': {
    summary: 'make an image of a zone: its own, and what was written',
    description: [
      'What was written in a zone that runs becomes one more layer, and the image gets the name NAME in the cache. The command ' +
        'stands still meanwhile. Volumes and tmpfs are not in it. Prints the name with its digest on standard output.',
    ],
    operands: [zone, { name: 'NAME', help: 'of the new image' }],
    options: ['message', 'author', 'change', ...brief],
    examples: [
      {
        what: 'With another command',
        line: `shale zone commit build registry.example/app:1.3 --change 'CMD ["app"]'`,
      },
    ],
  },
  'zone kernel install': {
    summary: 'bring a kernel for zones into the cache',
    description: [
      "Without SOURCE Debian's cloud kernel is fetched with apt's own configuration, which verifies it. The kernel and its modules are unpacked into the cache; nothing of it is ever run or installed on this machine.",
    ],
    operands: [
      {
        name: 'SOURCE',
        help:
          'a package that apt knows, a .deb, a directory with one unpacked, or an image that carries a kernel: docker://NAME or any ' +
          'other source',
        optional: true,
      },
    ],
    options: ['platform', 'policy', 'root', ...registry, 'progress', 'quiet', 'json'],
    examples: [
      { what: "Debian's", line: 'shale zone kernel install' },
      { what: 'A file', line: 'shale zone kernel install ./linux-image-cloud-amd64.deb' },
      {
        what: 'An image that carries one',
        line: 'shale zone kernel install docker://registry.example/kernel:6.12',
      },
    ],
  },
  'zone kernel ls': {
    summary: 'list the kernels in the cache',
    description: ['The one with a star is what zones have if nothing is said.'],
    operands: [],
    options: brief,
    refinements: { quiet: { help: 'only the names, one a line' } },
    examples: [{ what: 'All kernels', line: 'shale zone kernel ls' }],
  },
  'zone kernel rm': {
    summary: 'remove kernels from the cache',
    description: ['Zones that run are not disturbed.'],
    operands: [{ name: 'KERNEL', help: 'its name', many: true }],
    options: brief,
    examples: [{ what: 'An old one', line: 'shale zone kernel rm linux-image-6.1.0-50-cloud-amd64' }],
  },
  'zone kernel use': {
    summary: 'say which kernel zones have if nothing is said',
    description: ['The one that was installed last, until this is said.'],
    operands: [{ name: 'KERNEL', help: 'its name' }],
    options: brief,
    examples: [{ what: 'Another one', line: 'shale zone kernel use linux-image-6.1.0-56-cloud-amd64' }],
  },
  'zone volume ls': {
    summary: 'list the volumes',
    description: ['Volumes come into being when a zone names one. They stay until they are removed here.'],
    operands: [],
    options: brief,
    refinements: { quiet: { help: 'only the names, one a line' } },
    examples: [{ what: 'All volumes', line: 'shale zone volume ls' }],
  },
  'zone volume rm': {
    summary: 'remove volumes, and all that is on them',
    description: ['A volume that a running zone has is not removed.'],
    operands: [{ name: 'VOLUME', help: 'its name', many: true }],
    options: brief,
    examples: [{ what: 'One', line: 'shale zone volume rm pages' }],
  },
} as const satisfies Commands;

export const doctorCommands = {
  doctor: {
    summary: 'say what of this machine zones and snapshots can use, and what is missing',
    description: [
      'Tries each hypervisor and whatever else zones need, and each driver for snapshots, as an ordinary user in his namespace; says what works, what works less well, ' +
        'and what to do about it. Nothing is left of the trials.',
    ],
    operands: [],
    options: brief,
    refinements: { quiet: { help: 'only what does not work' } },
    examples: [{ what: 'Before the first zone', line: 'shale doctor' }],
    statuses: { 0: 'zones can run here, or images can be mounted', 9: 'neither' },
  },
} as const satisfies Commands;

/** The words that zone commands begin with. */
export const zoneFamilies = {
  zone: {
    summary: 'zones: list, look into, enter, stop, remove, commit; kernels and volumes',
    description: [
      'A zone is a virtual machine that shale run has started. It goes on when Shale is killed, and is found again by its name or id.',
    ],
  },
  'zone kernel': {
    summary: 'the kernels that zones can have',
    description: [
      'Kernels are kept in the cache, each with its modules. A zone gets the modules that it needs, and no others.',
    ],
  },
  'zone volume': {
    summary: 'disks that outlive zones',
    description: [
      'A volume is a disk of its own that is made when shale run -v NAME:PATH names it first. Two running zones never share one that they can write to.',
    ],
  },
} as const satisfies Families;
