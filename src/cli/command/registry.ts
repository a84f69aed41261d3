import type { Commands, Operand } from './command.ts';

const host: Operand = {
  name: 'REGISTRY',
  help: 'its name, with its port if it has one; docker.io if left out',
  optional: true,
};

/** Commands about credentials. */
export const registryCommands = {
  login: {
    summary: 'log in to a registry, and keep the credential',
    description: [
      'Tries the credential with the registry, and keeps it if it is right: with the credential helper that the file configures, ' +
        'otherwise in the file itself, where it is not encrypted. Tools such as podman and docker read the same files.',
      'A user name or password that is not given is asked for, the password without showing it.',
    ],
    operands: [host],
    options: [
      'username',
      'password-stdin',
      'password',
      'authfile',
      'insecure-registry',
      'cert-dir',
      'retries',
      'quiet',
      'json',
    ],
    examples: [
      { what: 'At a terminal', line: 'shale login ghcr.io' },
      { what: 'In a script', line: 'shale login ghcr.io --username me --password-stdin < token' },
    ],
    statuses: { 6: 'the registry does not accept the credential' },
    discreet: true,
  },
  logout: {
    summary: 'forget the credential of a registry',
    description: [
      'Removes it from every file and credential helper where shale login or a tool like it has put it.',
    ],
    operands: [host],
    options: ['authfile', 'quiet', 'json'],
    examples: [{ what: 'Of one registry', line: 'shale logout ghcr.io' }],
  },
} as const satisfies Commands;
