import { DocumentTable } from '../document.ts';
import { RegistryError } from '../error.ts';
import { readText } from '../text-file.ts';
import { dockerKey, findKey, namesRegistry } from './key.ts';

export type AuthFileForm = 'config' | 'dockercfg' | 'secret';

/** A program that a file names for a registry, and what it knows the registry as. */
export interface Helper {
  /** `NAME` of `docker-credential-NAME`. */
  readonly name: string;
  readonly server: string;
  /** The file that names it. */
  readonly path: string;
}

/** An auth file as it stands on disk. Entries are looked at only when they are asked for. */
export interface AuthFile {
  readonly path: string;
  readonly form: AuthFileForm;
  /** All of the file, with what we do not know in it; for writing it back. */
  readonly root: DocumentTable;
  readonly auths: DocumentTable;
  /** `credHelpers` comes before `credsStore`, and with an empty name it means the file's own entries, as for Docker. */
  findHelper(registry: string): Helper | undefined;
}

const configKeys = ['auths', 'credHelpers', 'credsStore'];

/**
 * Reads `auth.json`, Docker's `config.json`, or a Kubernetes secret in any of its forms: the content of
 * `.dockerconfigjson`, the content of `.dockercfg`, or the manifest of the secret around either. `undefined` if there is
 * no file; an empty one is one without entries. RegistryError `invalid` names the file and what is wrong in it, and
 * never shows any of it.
 */
export async function readAuthFile(path: string): Promise<AuthFile | undefined> {
  const text = await readText(path, 'the auth file');
  return text === undefined ? undefined : parseAuthFile(text, path);
}

export function parseAuthFile(text: string, path: string): AuthFile {
  const root = new DocumentTable(text.trim() === '' ? {} : parse(text, path), path);
  if (root.value('kind') === 'Secret') return { ...parseSecret(root, path), form: 'secret', root };
  if (isDockercfg(root)) return { path, form: 'dockercfg', root, auths: root, findHelper: () => undefined };
  const auths = root.table('auths') ?? new DocumentTable({}, path, 'auths');
  return { path, form: 'config', root, auths, findHelper: registry => findHelper(root, path, registry) };
}

/** Node's own message quotes the text around the mistake, which may be a password: only the place is taken from it. */
function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const place = /\(line (\d+) column (\d+)\)/.exec((error as Error).message);
    const where = place === null ? path : `${path}, line ${place[1]}, column ${place[2]}`;
    const hint = /^\s*(apiVersion|kind|data|metadata):/m.test(text)
      ? 'this looks like a manifest in YAML: kubectl get secret NAME -o json gives it in JSON'
      : 'repair or remove the file, then log in again';
    throw new RegistryError('invalid', `the auth file ${where}: it is not valid JSON`, {
      detail: { path },
      hint,
    });
  }
}

/** Kubernetes, "Docker config Secrets": `kubernetes.io/dockerconfigjson` and the older `kubernetes.io/dockercfg`. */
function parseSecret(root: DocumentTable, path: string): AuthFile {
  for (const key of ['.dockerconfigjson', '.dockercfg']) {
    const plain = root.table('stringData')?.string(key);
    const data = root.table('data')?.string(key);
    const text = plain ?? (data === undefined ? undefined : Buffer.from(data, 'base64').toString('utf8'));
    if (text !== undefined) return parseAuthFile(text, `${path} (${key})`);
  }
  throw new RegistryError('invalid', `the secret in ${path} has neither .dockerconfigjson nor .dockercfg`, {
    detail: { path },
    hint: 'it must be of type kubernetes.io/dockerconfigjson',
  });
}

/** The old form has the registries themselves as its keys. */
function isDockercfg(root: DocumentTable): boolean {
  const isEntry = (value: unknown) =>
    typeof value === 'object' && value !== null && ('auth' in value || 'username' in value);
  return (
    root.keys.length > 0 &&
    !configKeys.some(key => root.value(key) !== undefined) &&
    root.keys.every(key => isEntry(root.value(key)))
  );
}

function findHelper(root: DocumentTable, path: string, registry: string): Helper | undefined {
  const table = root.table('credHelpers');
  const own = findKey(
    (table?.keys ?? []).filter(key => namesRegistry(key, registry)),
    registry,
    '',
  );
  const special = own === undefined ? undefined : table?.string(own);
  const name = special ?? root.string('credsStore');
  if (!name) return undefined;
  // A helper that serves one registry knows it by the key; one that serves all, as Docker calls the registry.
  const server = special === undefined || own === undefined ? dockerKey(registry) : own;
  return { name, server, path };
}
