import { type Digest, parseDigest } from './digest.ts';
import { OciError } from './error.ts';

/** A name in a registry, as Docker completes it: `nginx` is `docker.io/library/nginx:latest`. */
export interface Reference {
  readonly registry: string;
  readonly repository: string;
  /** `latest` if neither tag nor digest was given. */
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
}

const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const repositoryPattern = new RegExp(`^${component}(?:/${component})*$`);
const registryPattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::\d+)?$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/** OciError `invalid` if `text` is not `[registry/]repository[:tag][@digest]`. */
export function parseReference(text: string): Reference {
  const at = text.indexOf('@');
  const digest = at === -1 ? undefined : parseDigest(text.slice(at + 1));
  const name = at === -1 ? text : text.slice(0, at);
  const slash = name.indexOf('/');
  const first = slash === -1 ? '' : name.slice(0, slash);
  const hasRegistry = /[.:]|^localhost$|[A-Z]/.test(first);
  const path = hasRegistry ? name.slice(slash + 1) : name;
  const colon = path.indexOf(':');
  const tag = colon === -1 ? undefined : path.slice(colon + 1);
  const registry = !hasRegistry || first === 'index.docker.io' ? 'docker.io' : first;
  let repository = colon === -1 ? path : path.slice(0, colon);
  if (
    text.length > 512 ||
    !registryPattern.test(registry) ||
    !repositoryPattern.test(repository) ||
    (tag !== undefined && !tagPattern.test(tag))
  ) {
    throw new OciError('invalid', `invalid image reference ${JSON.stringify(text.slice(0, 200))}`, {
      hint: 'references look like docker.io/library/nginx:1.27, in lower case',
    });
  }
  if (registry === 'docker.io' && !repository.includes('/')) repository = `library/${repository}`;
  return { registry, repository, tag: tag ?? (digest === undefined ? 'latest' : undefined), digest };
}

/** In full, with registry: what `parseReference` reads back. */
export function formatReference({ registry, repository, tag, digest }: Reference): string {
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}
