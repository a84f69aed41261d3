import { RegistryError } from '../error.ts';
import { type AuthFile, readAuthFile } from './auth-file.ts';
import type { Credential } from './credential.ts';
import { readEntry } from './entry.ts';
import { askHelper, helperTimeout } from './helper.ts';
import { findKey, normalizeRegistry } from './key.ts';
import { findAuthPlaces } from './place.ts';

/** Who we are to whom. */
export interface CredentialStore {
  /**
   * The credential for a repository, `undefined` to go without one. `registry` is `host[:port]`, `docker.io` for
   * Docker's; `repository` may be empty. RegistryError if a file or a helper that should answer cannot.
   */
  find(registry: string, repository: string): Promise<Credential | undefined>;
}

export interface CredentialOptions {
  /** The one file to look into (`--authfile`). */
  readonly authFile?: string | undefined;
  /** How long a helper may take, in milliseconds. */
  readonly helperTimeout?: number;
  /** Stands in for the environment. */
  readonly variable?: (name: string) => string | undefined;
}

/**
 * The user's credentials, in the order of `findAuthPlaces`. The first file that has one decides; in it a helper for the
 * registry comes before its own entries, whose longest key wins. Nothing is read before it is needed; what was read is
 * kept, and a helper is asked once for each registry.
 */
export function openCredentials(options: CredentialOptions = {}): CredentialStore {
  return new FileCredentials(options);
}

class FileCredentials implements CredentialStore {
  readonly #options: CredentialOptions;
  readonly #files = new Map<string, Promise<AuthFile | undefined>>();
  readonly #answers = new Map<string, Promise<Credential | undefined>>();

  constructor(options: CredentialOptions) {
    this.#options = options;
  }

  async find(registry: string, repository: string): Promise<Credential | undefined> {
    const name = normalizeRegistry(registry);
    const { paths, given } = findAuthPlaces(this.#options.authFile, this.#options.variable);
    for (const path of paths) {
      const file = await once(this.#files, path, () => readAuthFile(path));
      if (file === undefined) {
        if (given) throw noAuthFile(path);
        continue;
      }
      const credential = (await this.#ask(file, name)) ?? findEntry(file, name, repository);
      if (credential !== undefined) return credential;
    }
    return undefined;
  }

  async #ask(file: AuthFile, registry: string): Promise<Credential | undefined> {
    const helper = file.findHelper(registry);
    if (helper === undefined) return undefined;
    const timeout = this.#options.helperTimeout ?? helperTimeout;
    return once(this.#answers, `${helper.name} ${helper.server}`, () => askHelper(helper, timeout));
  }
}

/** A failure is not kept: the next caller tries again. */
function once<T>(kept: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  let made = kept.get(key);
  if (made === undefined) {
    made = make();
    kept.set(key, made);
    made.catch(() => kept.delete(key));
  }
  return made;
}

function findEntry(file: AuthFile, registry: string, repository: string): Credential | undefined {
  const key = findKey(file.auths.keys, registry, repository);
  const entry = key === undefined ? undefined : file.auths.table(key);
  return entry === undefined ? undefined : readEntry(entry);
}

function noAuthFile(path: string): RegistryError {
  return new RegistryError('not-found', `the auth file ${path} is not there`, {
    detail: { path },
    hint: 'check --authfile or REGISTRY_AUTH_FILE; shale login --authfile creates one',
  });
}
