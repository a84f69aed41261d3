import { inspect } from 'node:util';

export type Capability = 'pull' | 'resolve' | 'push';
export const allCapabilities: ReadonlySet<Capability> = new Set<Capability>(['pull', 'resolve', 'push']);
/** What a mirror of registries.conf is for: these are never pushed to. */
export const readCapabilities: ReadonlySet<Capability> = new Set<Capability>(['pull', 'resolve']);

/** Certificates and keys as PEM texts. */
export interface EndpointTls {
  /** In addition to the authorities that the system trusts. */
  readonly ca: readonly string[];
  readonly cert?: string;
  readonly key?: string;
}

/** One place where a repository can be had, and how to talk to it. */
export interface EndpointFacts {
  /** Scheme and `host[:port]`: `https://registry-1.docker.io`. */
  readonly origin: string;
  /** What the paths of the API start with: `/v2`, unless a `hosts.toml` says otherwise. */
  readonly prefix: string;
  /** The repository as this endpoint calls it. */
  readonly repository: string;
  /** Whose credentials count: `docker.io`, `mirror.example:5000`. */
  readonly registry: string;
  readonly mirror: boolean;
  readonly capabilities: ReadonlySet<Capability>;
  /** Only where somebody named it: the certificate is not verified, and plain http is tried where https does not answer. */
  readonly insecure: boolean;
  readonly tls: EndpointTls;
  /** For every request to it. They may hold secrets. */
  readonly headers: Readonly<Record<string, string>>;
  /** What to send as `?ns=`, so that a mirror for many registries knows which one is meant. */
  readonly namespace: string | undefined;
}

/** An endpoint that shows, in JSON and when inspected, that there are a key and headers, but not what is in them. */
export class Endpoint implements EndpointFacts {
  readonly origin: string;
  readonly prefix: string;
  readonly repository: string;
  readonly registry: string;
  readonly mirror: boolean;
  readonly capabilities: ReadonlySet<Capability>;
  readonly insecure: boolean;
  readonly tls: EndpointTls;
  readonly headers: Readonly<Record<string, string>>;
  readonly namespace: string | undefined;

  constructor(facts: EndpointFacts) {
    this.origin = facts.origin;
    this.prefix = facts.prefix;
    this.repository = facts.repository;
    this.registry = facts.registry;
    this.mirror = facts.mirror;
    this.capabilities = facts.capabilities;
    this.insecure = facts.insecure;
    this.tls = facts.tls;
    this.headers = facts.headers;
    this.namespace = facts.namespace;
  }

  toJSON(): Readonly<Record<string, unknown>> {
    const { capabilities, tls, headers, ...plain } = this;
    return {
      ...plain,
      capabilities: [...capabilities],
      tls: { ca: tls.ca.length, cert: tls.cert !== undefined, key: tls.key !== undefined },
      headers: Object.keys(headers),
    };
  }

  [inspect.custom](): unknown {
    return this.toJSON();
  }
}
