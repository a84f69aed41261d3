import type { DocumentTable } from '../document.ts';
import { RegistryError } from '../error.ts';
import { listDropIns, type RegistriesFiles } from './place.ts';
import { readToml } from './toml.ts';

export type MirrorUse = 'all' | 'digest-only' | 'tag-only';

export interface RegistryMirror {
  readonly location: string;
  readonly insecure: boolean;
  readonly use: MirrorUse;
}

/** One `[[registry]]` table. */
export interface RegistryRule {
  /** The file that it is from. */
  readonly path: string;
  /** `host[:port][/namespace…[/repository[:tag|@digest]]]`, or `*.domain`. */
  readonly prefix: string;
  /** What stands in for the prefix; empty if nothing does. */
  readonly location: string;
  /** `undefined` if the table does not say. */
  readonly insecure: boolean | undefined;
  readonly blocked: boolean;
  readonly mirrors: readonly RegistryMirror[];
}

/**
 * The tables of all files, each prefix once: of one file the first, of several files the last (containers-registries.conf.d(5)).
 * RegistryError names file and key of what is wrong.
 */
export async function readRegistryRules({ main, given, dropIns }: RegistriesFiles): Promise<RegistryRule[]> {
  const rules = new Map<string, RegistryRule>();
  const document = await readToml(main);
  if (document === undefined && given) {
    throw new RegistryError('not-found', `the configuration ${main} is not there`, {
      detail: { path: main },
      hint: 'check CONTAINERS_REGISTRIES_CONF',
    });
  }
  if (document !== undefined) for (const rule of parseRegistries(document)) rules.set(rule.prefix, rule);
  for (const directory of dropIns) {
    for (const path of await listDropIns(directory)) {
      const dropIn = await readToml(path);
      if (dropIn === undefined) continue;
      if (dropIn.value('registries') !== undefined) {
        dropIn.fail('registries', 'is of the old form, which only the main file may have', {
          hint: 'use [[registry]]',
        });
      }
      for (const rule of parseRegistries(dropIn)) rules.set(rule.prefix, rule);
    }
  }
  return [...rules.values()];
}

/** The tables of one file, in the form of today or in the deprecated one; the two cannot be mixed. */
export function parseRegistries(document: DocumentTable): RegistryRule[] {
  const old = document.table('registries');
  const tables = document.tables('registry');
  if (old !== undefined && tables.length > 0) {
    document.fail('registries', 'is of the old form, which cannot be mixed with [[registry]]');
  }
  const rules = old === undefined ? tables.map(parseRegistry) : parseOldForm(old);
  const first = new Map<string, RegistryRule>();
  for (const rule of rules) if (!first.has(rule.prefix)) first.set(rule.prefix, rule);
  return [...first.values()];
}

function parseRegistry(table: DocumentTable): RegistryRule {
  const location = parseLocation(table, 'location');
  const prefix = parseLocation(table, 'prefix') || location;
  if (prefix === '') table.fail('location', 'is missing, and so is prefix');
  if (prefix.includes('*') && !/^\*\.[^*/:@]+$/.test(prefix)) {
    table.fail('prefix', 'has a * elsewhere than in *.domain', {
      hint: 'a wildcard stands for subdomains: *.example.com',
    });
  }
  if (table.value('pull-from-mirror') !== undefined) table.fail('pull-from-mirror', 'is for mirrors only');
  const digestOnly = table.boolean('mirror-by-digest-only') ?? false;
  return {
    path: table.path,
    prefix,
    location,
    insecure: table.boolean('insecure'),
    blocked: table.boolean('blocked') ?? false,
    mirrors: table.tables('mirror').map(mirror => parseMirror(mirror, digestOnly)),
  };
}

function parseMirror(table: DocumentTable, digestOnly: boolean): RegistryMirror {
  const location = parseLocation(table, 'location');
  if (location === '') table.fail('location', 'is missing');
  const use = table.string('pull-from-mirror') || undefined;
  if (use !== undefined && digestOnly) {
    table.fail('pull-from-mirror', 'cannot be set beside mirror-by-digest-only', {
      hint: 'keep one of the two',
    });
  }
  if (use !== undefined && use !== 'all' && use !== 'digest-only' && use !== 'tag-only') {
    table.fail('pull-from-mirror', 'is none of all, digest-only and tag-only');
  }
  return {
    location,
    insecure: table.boolean('insecure') ?? false,
    use: use ?? (digestOnly ? 'digest-only' : 'all'),
  };
}

/** Without slashes at the end; empty when absent. */
function parseLocation(table: DocumentTable, key: string): string {
  const text = (table.string(key) ?? '').replace(/\/+$/, '');
  if (/^[a-z]+:\/\//i.test(text)) {
    table.fail(key, 'has a scheme', {
      hint: 'write host[:port][/path] alone; insecure = true allows plain http',
    });
  }
  return text;
}

/** `[registries.insecure]` and `[registries.block]`; `[registries.search]` is for short names, which we complete as Docker does. */
function parseOldForm(table: DocumentTable): RegistryRule[] {
  const listed = (key: string) =>
    (table.table(key)?.strings('registries') ?? []).map(location => location.replace(/\/+$/, ''));
  const [insecure, blocked] = [new Set(listed('insecure')), new Set(listed('block'))];
  return [...new Set([...insecure, ...blocked])].map(location => ({
    path: table.path,
    prefix: location,
    location,
    insecure: insecure.has(location) || undefined,
    blocked: blocked.has(location),
    mirrors: [],
  }));
}
