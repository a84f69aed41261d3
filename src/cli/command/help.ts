import type { Commands } from './command.ts';

export const helpCommands = {
  help: {
    summary: 'show the help of a command',
    description: ['Prints the same as --help after the command.'],
    operands: [
      {
        name: 'COMMAND',
        help: 'the command, in one word or more; all of them if it is left out',
        optional: true,
        many: true,
      },
    ],
    options: ['markdown'],
    examples: [
      { what: 'All commands', line: 'shale help' },
      { what: 'One of them', line: 'shale help render' },
      { what: 'All about kernels of zones', line: 'shale help zone kernel' },
    ],
  },
} as const satisfies Commands;
