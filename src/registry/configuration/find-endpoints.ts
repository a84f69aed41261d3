import { join } from 'node:path';
import type { Digest } from '../../oci/index.ts';
import { RegistryError } from '../error.ts';
import { apiAuthority, isLoopback, requireAuthority, splitAuthority } from './authority.ts';
import { readCertificates } from './certificate.ts';
import { allCapabilities, Endpoint, type EndpointTls, readCapabilities } from './endpoint.ts';
import { type HostRule, type HostsFile, readHostsFile } from './hosts-file.ts';
import { findCertsDirectories, findRegistriesFiles } from './place.ts';
import { type RegistryMirror, type RegistryRule, readRegistryRules } from './registries-file.ts';
import { findRule, type Located, rewriteName } from './rewrite.ts';

export interface EndpointOptions {
  /** `host[:port]` of registries whose certificates are not verified and that may speak plain http. */
  readonly insecureRegistries?: readonly string[] | undefined;
  /** A directory with the certificates for every endpoint, in the place of those that are configured. */
  readonly certDir?: string | undefined;
  /** A registries.conf, in the place of the configured one; its drop-ins are in `FILE.d`. */
  readonly registriesConf?: string | undefined;
  /** Directories of `HOST[:PORT]` directories with `hosts.toml` or certificates, in the place of the usual ones. */
  readonly certsDirs?: readonly string[] | undefined;
}

/**
 * Where a name can be had, in the order in which to try: first the mirrors of registries.conf, then those of the
 * registry's hosts.toml, the registry itself last. An endpoint is for the requests that its capabilities name, so the
 * caller passes over those that do not suit. RegistryError `denied` if the configuration blocks the name, `invalid`
 * with file and key if it is wrong.
 *
 * Files are read at each call: whoever asks often keeps the answer.
 */
export async function findEndpoints(
  name: {
    readonly registry: string;
    readonly repository: string;
    readonly tag?: string | undefined;
    readonly digest?: Digest | undefined;
  },
  options: EndpointOptions = {},
): Promise<readonly Endpoint[]> {
  requireAuthority(name.registry);
  const rule = findRule(await readRegistryRules(await findRegistriesFiles(options.registriesConf)), name);
  if (rule?.blocked) throw blocked(rule, name);
  const finder = new EndpointFinder(options);
  const endpoints: Endpoint[] = [];
  for (const mirror of rule?.mirrors ?? []) {
    if (!suits(mirror, name.digest)) continue;
    endpoints.push(await finder.mirror(rewriteName(rule!, mirror.location, name), mirror.insecure));
  }
  const located = rule === undefined ? name : rewriteName(rule, rule.location, name);
  const moved = located.registry !== name.registry || located.repository !== name.repository;
  endpoints.push(...(await finder.registry(located, rule?.insecure)));
  if (!moved) return endpoints;
  // As Podman has it, configuration redirects what is read; what is written goes where its name says.
  const original = (await finder.registry(name, undefined)).at(-1)!;
  return [
    ...endpoints.map(endpoint => new Endpoint({ ...endpoint, capabilities: withoutPush(endpoint) })),
    new Endpoint({ ...original, capabilities: new Set(['push'] as const) }),
  ];
}

/** containers-registries.conf(5): by digest all mirrors are equally good; by tag they may be behind. */
function suits({ use }: RegistryMirror, digest: Digest | undefined): boolean {
  return use === 'all' || (use === 'digest-only') === (digest !== undefined);
}

function withoutPush({ capabilities }: Endpoint): Endpoint['capabilities'] {
  return new Set([...capabilities].filter(capability => capability !== 'push'));
}

class EndpointFinder {
  readonly #insecure: ReadonlySet<string>;
  readonly #certDir: string | undefined;
  readonly #roots: readonly string[];

  constructor(options: EndpointOptions) {
    this.#insecure = new Set(options.insecureRegistries?.map(name => name.trim().toLowerCase()));
    this.#certDir = options.certDir;
    this.#roots = options.certsDirs ?? findCertsDirectories();
  }

  /** A mirror that registries.conf names. */
  async mirror(located: Located, insecure: boolean): Promise<Endpoint> {
    const endpoint = await this.#plain(located, insecure || undefined);
    return new Endpoint({ ...endpoint, mirror: true, capabilities: readCapabilities });
  }

  /** A registry with the mirrors that its hosts.toml names, itself last. `insecure` as registries.conf has it. */
  async registry(located: Located, insecure: boolean | undefined): Promise<Endpoint[]> {
    const plain = await this.#plain(located, insecure);
    const found = await this.#findHosts(located.registry);
    if (found === undefined) return [plain];
    const { file, common } = found;
    const mirrors: Endpoint[] = [];
    for (const host of file.mirrors) mirrors.push(await this.#host(host, plain));
    const { server } = file;
    if (server.url !== undefined)
      return [...mirrors, new Endpoint({ ...(await this.#host(server, plain)), mirror: false })];
    // Without `server`, what the root says is about the registry itself. In `_default` that would be every registry,
    // and none of them was named: its certificate is verified all the same.
    const skipVerify = common ? undefined : server.skipVerify;
    return [
      ...mirrors,
      new Endpoint({
        ...plain,
        tls: await this.#tls(located.registry, server.tls),
        headers: server.headers,
        insecure: plain.insecure || (skipVerify ?? false),
      }),
    ];
  }

  async #plain({ registry, repository }: Located, insecure: boolean | undefined): Promise<Endpoint> {
    const loose = this.#isInsecure(registry, insecure);
    const scheme = loose && splitAuthority(registry).port === '80' ? 'http' : 'https';
    return new Endpoint({
      origin: `${scheme}://${apiAuthority(registry)}`,
      prefix: '/v2',
      repository,
      registry,
      mirror: false,
      capabilities: allCapabilities,
      insecure: loose,
      tls: await this.#tls(registry, undefined),
      headers: {},
      namespace: undefined,
    });
  }

  async #host(rule: HostRule, registry: Endpoint): Promise<Endpoint> {
    const { origin, authority, prefix } = rule.url!;
    const itself = authority === apiAuthority(registry.registry);
    const name = itself ? registry.registry : authority === 'registry-1.docker.io' ? 'docker.io' : authority;
    return new Endpoint({
      origin,
      prefix,
      repository: registry.repository,
      registry: name,
      mirror: !itself,
      capabilities: rule.capabilities,
      // A URL that says http names the server as one without encryption.
      insecure: origin.startsWith('http:') || this.#isInsecure(name, rule.skipVerify),
      tls: await this.#tls(name, rule.tls),
      headers: rule.headers,
      namespace: itself ? undefined : registry.registry,
    });
  }

  /** What a file says of this registry comes before the default, what the user says now before both. */
  #isInsecure(registry: string, configured: boolean | undefined): boolean {
    return this.#insecure.has(registry.toLowerCase()) || (configured ?? isLoopback(registry));
  }

  async #tls(registry: string, explicit: EndpointTls | undefined): Promise<EndpointTls> {
    if (this.#certDir !== undefined) {
      return (await readCertificates(this.#certDir, { required: true })) ?? { ca: [] };
    }
    if (explicit !== undefined) return explicit;
    for (const root of this.#roots) {
      for (const directory of directoriesOf(registry)) {
        const tls = await readCertificates(join(root, directory));
        if (tls !== undefined) return tls;
      }
    }
    return { ca: [] };
  }

  /** `common` if it is the one for registries that have none of their own. */
  async #findHosts(registry: string): Promise<{ file: HostsFile; common: boolean } | undefined> {
    for (const common of [false, true]) {
      for (const root of this.#roots) {
        for (const directory of common ? ['_default'] : directoriesOf(registry)) {
          const file = await readHostsFile(join(root, directory, 'hosts.toml'));
          if (file !== undefined) return { file, common };
        }
      }
    }
    return undefined;
  }
}

/** containerd writes `host_port_` where a colon would not do; everybody else `host:port`. */
function directoriesOf(registry: string): string[] {
  const { port } = splitAuthority(registry);
  if (port === undefined) return [registry];
  return [`${registry.slice(0, -port.length - 1)}_${port}_`, registry];
}

function blocked(rule: RegistryRule, { registry, repository }: Located): RegistryError {
  return new RegistryError(
    'denied',
    `${rule.path} blocks ${registry}/${repository}, by the prefix ${rule.prefix}`,
    {
      detail: { path: rule.path, key: 'blocked', prefix: rule.prefix },
      hint: 'take blocked = true out of that table, if the decision is yours',
    },
  );
}
