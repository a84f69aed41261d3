import { RegistryError } from '../error.ts';
import { requireAuthority, splitAuthority } from './authority.ts';
import type { RegistryRule } from './registries-file.ts';

/** What is asked for. `repository` is empty when only the registry itself is meant. */
export interface EndpointName {
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string | undefined;
  readonly digest?: string | undefined;
}

/** A repository at some registry. */
export interface Located {
  readonly registry: string;
  readonly repository: string;
}

/** The rule with the longest prefix that the name starts with, ending where a part of the name ends. */
export function findRule(rules: readonly RegistryRule[], name: EndpointName): RegistryRule | undefined {
  let best: RegistryRule | undefined;
  for (const rule of rules) {
    if (matchLength(rule.prefix, name) === undefined) continue;
    if (best === undefined || rule.prefix.length > best.prefix.length) best = rule;
  }
  return best;
}

/** How many characters of the name in full the prefix stands for. */
function matchLength(prefix: string, name: EndpointName): number | undefined {
  if (prefix.startsWith('*.')) {
    const { port } = splitAuthority(name.registry);
    const host = port === undefined ? name.registry : name.registry.slice(0, -port.length - 1);
    return host.endsWith(prefix.slice(1)) ? host.length : undefined;
  }
  const full = plainName(name) + suffixOf(name);
  if (!full.startsWith(prefix)) return undefined;
  const next = full[prefix.length];
  // A colon after a registry starts its port: that is another registry.
  const ends = next === undefined || next === '/' || (prefix.includes('/') && (next === ':' || next === '@'));
  return ends ? prefix.length : undefined;
}

/** `location` in the place of the rule's prefix, the rest of the name as it was. */
export function rewriteName(rule: RegistryRule, location: string, name: EndpointName): Located {
  const { registry, repository } = name;
  if (location === '') return { registry, repository };
  const plain = plainName(name);
  const length = matchLength(rule.prefix, name) ?? plain.length;
  // Of a prefix with a tag or digest, the location must keep it: what we were asked for is what we ask for.
  const beyond = rule.prefix.startsWith('*.') ? '' : rule.prefix.slice(plain.length);
  if (!location.endsWith(beyond)) throw changesTag(rule, location);
  const rewritten = location.slice(0, location.length - beyond.length) + plain.slice(length);
  const slash = rewritten.indexOf('/');
  const located = {
    registry: slash === -1 ? rewritten : rewritten.slice(0, slash),
    repository: slash === -1 ? '' : rewritten.slice(slash + 1),
  };
  requireAuthority(located.registry);
  if (/[:@]/.test(located.repository)) throw changesTag(rule, location);
  return located;
}

function plainName({ registry, repository }: EndpointName): string {
  return repository === '' ? registry : `${registry}/${repository}`;
}

function suffixOf({ tag, digest }: EndpointName): string {
  return `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

function changesTag(rule: RegistryRule, location: string): RegistryError {
  const message = `${rule.path}: the location ${JSON.stringify(location)} of ${JSON.stringify(rule.prefix)} has a tag or digest of its own`;
  return new RegistryError('unsupported', message, {
    detail: { path: rule.path, key: 'location', prefix: rule.prefix },
    hint: 'prefix and location must end in the same tag or digest, or in none',
  });
}
