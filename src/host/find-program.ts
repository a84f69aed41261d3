import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, resolve } from 'node:path';
import { findVariable } from './environment.ts';

/** Where programs of the system's own are that an ordinary user's PATH often lacks. */
export const systemDirectories = ['/usr/sbin', '/sbin', '/usr/bin', '/bin'];

/** The absolute path of a program: `name` itself if it has a slash, else found through PATH; `undefined` if there is none. */
export function findProgram(name: string): string | undefined {
  if (name.includes('/')) return isProgram(name) ? resolve(name) : undefined;
  const directories = [...(findVariable('PATH') ?? '').split(delimiter), ...systemDirectories];
  return directories
    .filter(directory => directory.startsWith('/'))
    .map(directory => resolve(directory, name))
    .find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
