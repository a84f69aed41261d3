import { mkdir, realpath } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { isErrno, wrapErrno } from '../../error/index.ts';
import { replaceFile } from '../../host/index.ts';
import { RegistryError } from '../error.ts';
import { type AuthFile, parseAuthFile, readAuthFile } from './auth-file.ts';
import type { Credential } from './credential.ts';
import { formatEntry } from './entry.ts';
import type { CredentialOptions } from './find.ts';
import { eraseInHelper, storeInHelper } from './helper.ts';
import { dockerKey, namesRegistry, normalizeRegistry } from './key.ts';
import { configuredAuthFile, findAuthPlaces } from './place.ts';

/**
 * Keeps a credential for a whole registry, and says where: the path of a file, or the name of a helper's program. The
 * file is the one that the user named, else the first of the order that is there, else ~/.config/containers/auth.json;
 * what it holds beside stays. It is replaced in one step, mode 0600. Where it names a helper for the registry, the
 * helper keeps the credential and the file is left alone.
 */
export async function storeCredential(
  registry: string,
  credential: Credential,
  options: CredentialOptions = {},
): Promise<string> {
  const name = normalizeRegistry(registry);
  const file = await openForStoring(options);
  const helper = file.findHelper(name);
  if (helper !== undefined) {
    await storeInHelper(helper, credential, options.helperTimeout);
    return `docker-credential-${helper.name}`;
  }
  requireWritable(file);
  const others = Object.entries(file.auths.fields).filter(([key]) => !namesRegistry(key, name));
  // Docker finds its own registry only under its old address; Podman's tools know both.
  const key = basename(file.path) === 'config.json' ? dockerKey(name) : name;
  await writeAuths(file, Object.fromEntries([...others, [key, formatEntry(credential)]]));
  return file.path;
}

/**
 * Forgets a registry's credential in every file of the order, or in the one that the user named, and in the helpers
 * that these name. The result says where there was one: paths, and names of helpers' programs. Credentials for
 * namespaces of the registry stay. The first failure is thrown after the rest has been done.
 */
export async function removeCredential(registry: string, options: CredentialOptions = {}): Promise<string[]> {
  const name = normalizeRegistry(registry);
  const removed: string[] = [];
  const failures: unknown[] = [];
  for (const path of findAuthPlaces(options.authFile, options.variable).paths) {
    try {
      const file = await readAuthFile(path);
      const helper = file?.findHelper(name);
      if (file !== undefined && (await removeEntries(file, name))) removed.push(file.path);
      if (helper !== undefined && (await eraseInHelper(helper, options.helperTimeout))) {
        removed.push(`docker-credential-${helper.name}`);
      }
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return [...new Set(removed)];
}

/** Whether there was one that said something: an empty entry is only a mark that a helper knows more. */
async function removeEntries(file: AuthFile, registry: string): Promise<boolean> {
  const entries = Object.entries(file.auths.fields);
  const kept = entries.filter(([key]) => !namesRegistry(key, registry));
  if (kept.length === entries.length) return false;
  requireWritable(file);
  await writeAuths(file, Object.fromEntries(kept));
  return entries.some(([key, entry]) => namesRegistry(key, registry) && JSON.stringify(entry) !== '{}');
}

async function openForStoring(options: CredentialOptions): Promise<AuthFile> {
  const { paths, given } = findAuthPlaces(options.authFile, options.variable);
  for (const path of paths) {
    const file = await readAuthFile(path);
    if (file !== undefined) return file;
  }
  const [first = ''] = paths;
  return parseAuthFile('', given ? first : configuredAuthFile(options.variable));
}

function requireWritable(file: AuthFile): void {
  if (file.form === 'config') return;
  const what = file.form === 'secret' ? 'a Kubernetes secret' : 'of the old .dockercfg form';
  throw new RegistryError('unsupported', `${file.path} is ${what}, which is only read`, {
    detail: { path: file.path },
    hint: 'name another file with --authfile',
  });
}

async function writeAuths(file: AuthFile, auths: Readonly<Record<string, unknown>>): Promise<void> {
  const text = `${JSON.stringify({ ...file.root.fields, auths }, undefined, '\t')}\n`;
  try {
    await mkdir(dirname(file.path), { recursive: true, mode: 0o700 });
    replaceFile(await resolveLink(file.path), Buffer.from(text, 'utf8'));
  } catch (error) {
    throw wrapErrno(error, `cannot write the auth file ${file.path}`);
  }
}

/** People keep their files under version control and link them into place: the link stays. */
async function resolveLink(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return path;
    throw error;
  }
}
