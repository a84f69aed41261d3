import { dirname, posix, resolve } from 'node:path';
import type { DocumentTable } from '../document.ts';
import { apiAuthority } from './authority.ts';
import { readAuthority, readPair } from './certificate.ts';
import { allCapabilities, type Capability, type EndpointTls } from './endpoint.ts';
import { readToml } from './toml.ts';

/** How to talk to one server, as a `hosts.toml` has it. */
export interface HostRule {
  /** `undefined` for a root without `server`: the registry itself is meant. */
  readonly url: { readonly origin: string; readonly authority: string; readonly prefix: string } | undefined;
  readonly capabilities: ReadonlySet<Capability>;
  /** `undefined` if the file does not say. */
  readonly skipVerify: boolean | undefined;
  readonly tls: EndpointTls | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

export interface HostsFile {
  readonly path: string;
  /** Tried in this order, before the server. */
  readonly mirrors: readonly HostRule[];
  readonly server: HostRule;
}

/**
 * containerd's configuration of a registry ("Registry Configuration", `hosts.toml`); `undefined` if there is no such
 * file. Unlike containerd, which then acts as if there were none, a file that is wrong is an error: RegistryError
 * `invalid` with file and key. `dial_timeout` is left to our own time-outs.
 */
export async function readHostsFile(path: string): Promise<HostsFile | undefined> {
  const document = await readToml(path);
  if (document === undefined) return undefined;
  const hosts = document.table('host');
  const mirrors: HostRule[] = [];
  for (const key of hosts?.keys ?? []) {
    const table = hosts?.table(key);
    if (hosts !== undefined && table !== undefined) mirrors.push(await parseHost(table, key, hosts, key));
  }
  return {
    path,
    mirrors,
    server: await parseHost(document, document.string('server') ?? '', document, 'server'),
  };
}

/** `blamed` and `key` say where the URL stands, for errors. */
async function parseHost(
  table: DocumentTable,
  url: string,
  blamed: DocumentTable,
  key: string,
): Promise<HostRule> {
  return {
    url: url === '' ? undefined : parseUrl(url, table.boolean('override_path') ?? false, blamed, key),
    capabilities: parseCapabilities(table),
    skipVerify: table.boolean('skip_verify'),
    tls: await readTls(table),
    headers: parseHeaders(table),
  };
}

function parseUrl(
  text: string,
  overridePath: boolean,
  blamed: DocumentTable,
  key: string,
): NonNullable<HostRule['url']> {
  const full = /^[a-z]+:\/\//i.test(text) ? text : `https://${text}`;
  const url = URL.canParse(full) ? new URL(full) : blamed.fail(key, 'is not a URL');
  if (url.protocol !== 'https:' && url.protocol !== 'http:') blamed.fail(key, 'is neither https nor http');
  if (url.username !== '' || url.password !== '') {
    blamed.fail('host', 'has a URL with a user or a password in it', {
      hint: 'use shale login for that server',
    });
  }
  const path = posix.normalize(url.pathname).replace(/\/+$/, '');
  const authority = apiAuthority(url.host);
  const prefix = overridePath || path.endsWith('/v2') ? path : `${path}/v2`;
  return { origin: `${url.protocol}//${authority}`, authority, prefix };
}

function parseCapabilities(table: DocumentTable): ReadonlySet<Capability> {
  const names = table.strings('capabilities').map(name => name.toLowerCase());
  if (names.length === 0) return allCapabilities;
  const found = new Set<Capability>();
  for (const name of names) {
    if (name === 'pull' || name === 'resolve' || name === 'push') found.add(name);
    // Newer versions of containerd have it; what can be pulled can have referrers.
    else if (name !== 'referrers') table.fail('capabilities', `has ${JSON.stringify(name)}, which is none`);
  }
  return found;
}

/** Paths are relative to the file. Of several client certificates the first counts. */
async function readTls(table: DocumentTable): Promise<EndpointTls | undefined> {
  const at = (path: string) => resolve(dirname(table.path), path);
  const authorities = typeof table.value('ca') === 'string' ? [table.string('ca')!] : table.strings('ca');
  const client = firstClient(table);
  if (authorities.length === 0 && client === undefined) return undefined;
  const ca = await Promise.all(authorities.map(path => readAuthority(at(path))));
  if (client === undefined) return { ca };
  return { ca, ...(await readPair(at(client[0]), client[1] ? at(client[1]) : undefined)) };
}

/** A path, a list of paths, or a list of pairs of paths; where the second one is missing or empty, both are in the first. */
function firstClient(table: DocumentTable): readonly [string, string?] | undefined {
  const value = table.value('client');
  if (value === undefined) return undefined;
  if (typeof value === 'string') return [value];
  const pairs = Array.isArray(value)
    ? value.map(item => (typeof item === 'string' ? [item] : item))
    : undefined;
  const right = (pair: unknown) =>
    Array.isArray(pair) &&
    (pair.length === 1 || pair.length === 2) &&
    pair.every(path => typeof path === 'string');
  if (pairs === undefined || !pairs.every(right))
    table.fail('client', 'is neither a path nor a list of paths or pairs of paths');
  return pairs[0] as [string, string?] | undefined;
}

function parseHeaders(table: DocumentTable): Readonly<Record<string, string>> {
  const header = table.table('header');
  const found: Record<string, string> = {};
  for (const key of header?.keys ?? []) {
    const value = header?.value(key);
    const values = typeof value === 'string' ? [value] : header?.strings(key);
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(key)) header?.fail(key, 'is not the name of a header');
    const text = values?.join(', ') ?? '';
    if (/[\r\n\0]/.test(text)) header?.fail(key, 'has a line break in it');
    found[key] = text;
  }
  return found;
}
