/**
 * What stands for a registry in the files of the various tools. Docker's own registry has most names: `docker login`
 * writes `https://index.docker.io/v1/`, Podman `docker.io`.
 */
const dockerHub = 'docker.io';
const hubNames = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

/** `host[:port]` in lower case, with one name for Docker's own registry. */
export function normalizeRegistry(name: string): string {
  const host = name.toLowerCase();
  return hubNames.has(host) ? dockerHub : host;
}

/** What Docker calls a registry in its files and to its helpers. `registry` is normalised. */
export function dockerKey(registry: string): string {
  return registry === dockerHub ? 'https://index.docker.io/v1/' : registry;
}

/** A key of `auths`, understood. */
interface Key {
  /** May hold globs, as Kubernetes has them: `*.example.com`. */
  readonly host: string;
  /** The path that the credential is limited to, by whole components; empty for the whole registry. */
  readonly path: string;
  /** Whether it is written as a URL, as Docker did for long. */
  readonly url: boolean;
}

function parseKey(key: string): Key {
  const stripped = key.replace(/^https?:\/\//, '');
  const url = stripped !== key;
  const slash = stripped.indexOf('/');
  const host = normalizeRegistry(slash === -1 ? stripped : stripped.slice(0, slash));
  const path = slash === -1 ? '' : stripped.slice(slash + 1).replace(/\/+$/, '');
  // A URL's path is the API's, not a namespace: Docker and Podman drop it whatever it is.
  return { host, path: url || path === 'v1' || path === 'v2' ? '' : path, url };
}

/** Whether the key means the registry as a whole, in whatever notation, and no other one. */
export function namesRegistry(key: string, registry: string): boolean {
  const { host, path } = parseKey(key);
  return path === '' && host === registry;
}

/**
 * The key that fits best: the longest path first; of one path a plain name before a URL before a glob. `registry` is
 * normalised; `repository` may be empty.
 */
export function findKey(keys: Iterable<string>, registry: string, repository: string): string | undefined {
  let best: { key: string; path: number; rank: number } | undefined;
  for (const key of keys) {
    const { host, path, url } = parseKey(key);
    if (path !== '' && path !== repository && !repository.startsWith(`${path}/`)) continue;
    const exact = host === registry;
    if (!exact && !matchesGlob(host, registry)) continue;
    const rank = exact ? (url ? 1 : 2) : 0;
    if (best === undefined || path.length > best.path || (path.length === best.path && rank > best.rank)) {
      best = { key, path: path.length, rank };
    }
  }
  return best?.key;
}

/** Kubernetes, "Interpretation of config.json": a glob stands for part of one label of the name; ports must be equal. */
function matchesGlob(pattern: string, registry: string): boolean {
  if (!pattern.includes('*')) return false;
  const [patternHost = '', patternPort] = pattern.split(':');
  const [host = '', port] = registry.split(':');
  if (patternPort !== port) return false;
  const patternLabels = patternHost.split('.');
  const labels = host.split('.');
  return (
    labels.length === patternLabels.length &&
    labels.every((label, index) => matchesLabel(patternLabels[index] ?? '', label))
  );
}

/** Piece by piece, so that no pattern takes long. */
function matchesLabel(pattern: string, label: string): boolean {
  const pieces = pattern.split('*');
  const [first = '', last = ''] = [pieces[0], pieces.at(-1)];
  if (pieces.length === 1) return pattern === label;
  if (label.length < first.length + last.length || !label.startsWith(first) || !label.endsWith(last))
    return false;
  let position = first.length;
  const end = label.length - last.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = label.indexOf(piece, position);
    if (found === -1 || found + piece.length > end) return false;
    position = found + piece.length;
  }
  return true;
}
