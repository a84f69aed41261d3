import type { Commands, Families } from './command.ts';

/** What teaches. */
export const labCommands = {
  'lab overlay': {
    summary: 'walk through OverlayFS by hand',
    description: [
      'Step by step, in a scratch directory and a mount namespace of its own: lowers, the merged view, copy-up, whiteout, opaque directory, changed metadata, ' +
        'a renamed directory, and the upper turned into a layer of an image. Each step explains what comes, runs real commands, shows what they really print, and says what to see in it.',
      'At a terminal Enter goes on, s opens a shell in the namespace, where everything can be tried, and q quits. Otherwise, and with --yes, it goes through without asking.',
      'As root the overlays are those of root. As anybody else they are in a user namespace, with the option userxattr, and the steps say what differs. ' +
        'Afterwards nothing is mounted and, without --keep, nothing is on the disk; what a killed lab has left, the next one removes.',
    ],
    operands: [],
    options: ['yes', 'step', 'list', 'keep', 'json'],
    refinements: {
      keep: { help: 'leave the scratch directory where it is; nothing stays mounted' },
      json: { help: 'print the steps, with what was run and printed, as one JSON object' },
    },
    examples: [
      { what: 'The whole walk', line: 'shale lab overlay' },
      { what: 'What there is to see', line: 'shale lab overlay --list' },
      { what: 'One step, and its files to look at', line: 'shale lab overlay --step whiteout --keep' },
      { what: 'To read at leisure', line: 'shale lab overlay --yes | less' },
    ],
    statuses: {
      7: 'neither root nor a user namespace can be had here',
      9: 'this machine mounts no such overlay, or a step went otherwise than it says',
    },
  },
} as const satisfies Commands;

/** The word that labs begin with. */
export const labFamilies = {
  lab: {
    summary: 'see how it works underneath, by hand',
    description: [
      'A lab shows the means of the system that Shale stands on: with explanations, real commands and their real results.',
    ],
  },
} as const satisfies Families;
