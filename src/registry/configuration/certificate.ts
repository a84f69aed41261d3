import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno, wrapErrno } from '../../error/index.ts';
import { RegistryError } from '../error.ts';
import { readText } from '../text-file.ts';
import type { EndpointTls } from './endpoint.ts';

/**
 * What a directory says of one registry's TLS, as containers-certs.d(5) and Docker have it: each `NAME.crt` is an
 * authority, `NAME.cert` with `NAME.key` our own certificate, of which the first in the order of names counts.
 * `undefined` if there is no such file in it, or no such directory: unless that is `required`, then RegistryError
 * `not-found`.
 */
export async function readCertificates(
  directory: string,
  options: { readonly required?: boolean } = {},
): Promise<EndpointTls | undefined> {
  const names = await readNames(directory, options.required ?? false);
  const named = (suffix: string) =>
    names.filter(name => name.endsWith(suffix)).map(name => join(directory, name));
  const authorities = named('.crt');
  const pairs = named('.cert').map(path => ({ path, key: path.replace(/\.cert$/, '.key') }));
  const stray = named('.key').find(path => !pairs.some(pair => pair.key === path));
  if (stray !== undefined) throw missing(stray.replace(/\.key$/, '.cert'), stray);
  if (authorities.length + pairs.length === 0) return undefined;
  const ca = await Promise.all(authorities.map(readAuthority));
  const [first] = pairs;
  if (first === undefined) return { ca };
  const there = names.some(name => join(directory, name) === first.key);
  return { ca, ...(await readPair(first.path, there ? first.key : undefined)) };
}

/** A file with the certificates of authorities, as PEM. RegistryError if it is not there or is none. */
export async function readAuthority(path: string): Promise<string> {
  return readPem(path, 'CERTIFICATE', 'the authority certificate');
}

/** Our own certificate and its key; without a path for the key it is in the same file. */
export async function readPair(
  path: string,
  keyPath: string | undefined,
): Promise<{ cert: string; key: string }> {
  const cert = await readPem(path, 'CERTIFICATE', 'the client certificate');
  if (keyPath !== undefined) return { cert, key: await readPem(keyPath, 'PRIVATE KEY', 'the client key') };
  if (!holds(cert, 'PRIVATE KEY')) throw missing(path.replace(/\.[^./]+$/, '.key'), path);
  return { cert, key: cert };
}

async function readPem(path: string, kind: string, what: string): Promise<string> {
  const text = await readText(path, what);
  if (text === undefined) {
    throw new RegistryError('not-found', `${what} ${path} is not there`, { detail: { path } });
  }
  if (holds(text, kind)) return text;
  throw new RegistryError('invalid', `${what} ${path} is not in PEM`, {
    detail: { path },
    hint: `it must have a line that says BEGIN ${kind}`,
  });
}

function holds(text: string, kind: string): boolean {
  return new RegExp(`-----BEGIN [A-Z0-9 ]*${kind}-----`).test(text);
}

function missing(path: string, partner: string): RegistryError {
  return new RegistryError('not-found', `${partner} needs ${path} beside it, which is not there`, {
    detail: { path, partner },
    hint: 'a client certificate is a pair of files: NAME.cert and NAME.key',
  });
}

async function readNames(directory: string, required: boolean): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) {
      throw wrapErrno(error, `cannot read the certificates in ${directory}`);
    }
    if (!required) return [];
    throw new RegistryError('not-found', `the directory of certificates ${directory} is not there`, {
      cause: error,
      detail: { path: directory },
      hint: 'check --cert-dir',
    });
  }
}
