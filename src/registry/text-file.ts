import { readFile, stat } from 'node:fs/promises';
import { isErrno, wrapErrno } from '../error/index.ts';
import { RegistryError } from './error.ts';

/** No configuration of people has so many bytes; a path that leads elsewhere by mistake might. */
const limit = 4 * 1024 * 1024;

/**
 * The text of a configuration file; `undefined` if there is none. RegistryError `exhausted` above 4 MiB; what the
 * system refuses is a ShaleError that says `what` was being read.
 */
export async function readText(path: string, what: string): Promise<string | undefined> {
  try {
    if ((await stat(path)).size > limit) throw tooLarge(path, what);
    const bytes = await readFile(path);
    if (bytes.length > limit) throw tooLarge(path, what);
    const text = bytes.toString('utf8');
    return text.startsWith('\uFEFF') ? text.slice(1) : text;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw wrapErrno(error, `cannot read ${what} ${path}`);
  }
}

function tooLarge(path: string, what: string): RegistryError {
  return new RegistryError('exhausted', `${what} ${path} has more than ${limit} bytes`, {
    detail: { path, limit },
  });
}
