import { readFileSync } from 'node:fs';
import { inheritVariable } from '../../engine/host.ts';
import { wrapErrno } from '../../error/index.ts';
import { UsageError } from '../error.ts';
import type { Values } from '../option.ts';

/** `NAME=value` of --env-file and --env, in this order; of two with one name the later counts. */
export function readEnvironment({ env = [], 'env-file': files = [] }: Values): string[] {
  const variables = new Map<string, string>();
  const add = (text: string, where: string) => {
    const [name = ''] = text.split('=', 1);
    if (name === '' || text.includes('\0')) {
      throw new UsageError(
        `${where}: ${JSON.stringify(text)} is not NAME=VALUE`,
        'NAME alone takes the value that it has here',
      );
    }
    const value = text.includes('=') ? text.slice(name.length + 1) : inheritVariable(name);
    if (value !== undefined) variables.set(name, value);
  };
  for (const file of files) {
    for (const [index, line] of readLines(file).entries()) {
      if (line !== '' && !line.startsWith('#')) add(line, `${file}, line ${index + 1}`);
    }
  }
  for (const text of env) add(text, '--env');
  return [...variables].map(([name, value]) => `${name}=${value}`);
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8')
      .replace(/^\ufeff/, '')
      .split(/\r?\n/)
      .map(line => line.trimStart());
  } catch (error) {
    throw wrapErrno(error, `reading ${file}`);
  }
}
