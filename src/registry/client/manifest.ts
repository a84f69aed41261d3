import { createHash } from 'node:crypto';
import {
  type Descriptor,
  type Digest,
  digestAlgorithm,
  documentLimit,
  findMediaType,
  mediaTypes,
  parseDigest,
  parseManifest,
  type Reference,
} from '../../oci/index.ts';
import { RegistryError } from '../error.ts';
import { findHeader, type HttpResponse, showUrl } from '../transport/index.ts';
import { failover } from './failover.ts';
import type { CallOptions } from './options.ts';
import type { Call, Remote } from './remote.ts';
import type { Session } from './session.ts';

export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

const accept = [
  mediaTypes.manifest,
  mediaTypes.index,
  mediaTypes.dockerManifest,
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ');

/** What servers say that serve manifests as any file: the document itself has to say what it is. */
const vague = ['application/json', 'text/plain', 'application/octet-stream', 'binary/octet-stream'];

/** Media type, digest and size of what a reference names: by HEAD, by GET where that does not tell. */
export async function resolve(
  session: Session,
  reference: Reference,
  options: CallOptions = {},
): Promise<Descriptor> {
  return await failover(session, reference, async remote => {
    const response = await remote.request(call('HEAD', reference, options), 200, 400, 405, 501);
    response.body.discard();
    const found = response.status === 200 ? readHead(response, reference) : undefined;
    return found ?? (await fetchFrom(remote, reference, options)).descriptor;
  });
}

/**
 * The manifest or index that a reference names, verified: against the digest that was asked for, else against the one
 * that the registry names. RegistryError `corrupt` if it is another, `exhausted` above 4 MiB; OciError for what
 * `parseManifest` refuses. With `expected` it is asked for by digest, and must have that size and kind.
 */
export async function fetchManifest(
  session: Session,
  reference: Reference,
  options: CallOptions & { readonly expected?: Descriptor | undefined } = {},
): Promise<FetchedManifest> {
  const { expected } = options;
  const name = expected === undefined ? reference : { ...reference, digest: expected.digest };
  return await failover(session, name, remote => fetchFrom(remote, name, options));
}

function call(method: 'GET' | 'HEAD', { repository, tag, digest }: Reference, { signal }: CallOptions): Call {
  const name = digest ?? tag ?? 'latest';
  return {
    method,
    target: `manifests/${name}`,
    what: `read the manifest ${name} of ${repository}`,
    actions: ['pull'],
    headers: { accept },
    signal,
  };
}

/** `fetchManifest` at one endpoint. */
export async function fetchFrom(
  remote: Remote,
  reference: Reference,
  options: CallOptions & { readonly expected?: Descriptor | undefined },
): Promise<FetchedManifest> {
  const asked = call('GET', reference, options);
  const where = `${reference.repository}@${reference.digest ?? reference.tag ?? 'latest'}`;
  const { response, bytes } = await remote.document(asked, documentLimit, 200);
  const claimed = readContentDigest(response);
  const expected = reference.digest ?? claimed;
  const digest = digestOf(bytes, expected);
  const { expected: descriptor } = options;
  const detail = { url: showUrl(response.url), expected, actual: digest, size: bytes.length };
  if (expected !== undefined && digest !== expected) {
    const by = reference.digest === undefined ? 'the registry itself says' : 'was asked for';
    throw new RegistryError(
      'corrupt',
      `the manifest ${where} has the digest ${digest}, but ${expected} ${by}`,
      { detail },
    );
  }
  if (descriptor !== undefined && descriptor.size !== bytes.length) {
    const message = `the manifest ${where} has ${bytes.length} bytes, not ${descriptor.size}`;
    throw new RegistryError('corrupt', message, { detail: { ...detail, expectedSize: descriptor.size } });
  }
  const type = readContentType(response);
  const manifest = parseManifest(bytes, vague.includes(type ?? '') ? undefined : type, where);
  if (descriptor !== undefined && findMediaType(descriptor.mediaType)?.kind !== manifest.kind) {
    const message = `${where} is of the type ${manifest.mediaType}, but its descriptor says ${descriptor.mediaType}`;
    throw new RegistryError('invalid', message, { detail });
  }
  return { descriptor: plainDescriptor(manifest.mediaType, digest, bytes.length), bytes };
}

/** Of a HEAD; `undefined` if anything is missing. */
function readHead(response: HttpResponse, reference: Reference): Descriptor | undefined {
  const claimed = readContentDigest(response);
  const type = readContentType(response);
  const length = findHeader(response, 'content-length') ?? '';
  const digest = reference.digest ?? claimed;
  if (digest === undefined || type === undefined || !/^\d{1,10}$/.test(length)) return undefined;
  const kind = findMediaType(type)?.kind;
  if ((kind !== 'manifest' && kind !== 'index') || Number(length) > documentLimit) return undefined;
  return plainDescriptor(type, digest, Number(length));
}

/** A digest that is not well-formed is refused: whoever sends it means something else than we would read. */
export function readContentDigest(response: HttpResponse): Digest | undefined {
  const text = findHeader(response, 'docker-content-digest');
  return text === undefined
    ? undefined
    : parseDigest(text, `Docker-Content-Digest of ${showUrl(response.url)}`);
}

/** With the algorithm of `like`; sha256 if there is none. */
export function digestOf(bytes: Uint8Array, like?: Digest): Digest {
  const algorithm = like === undefined ? 'sha256' : digestAlgorithm(like);
  return parseDigest(`${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`);
}

export function plainDescriptor(mediaType: string, digest: Digest, size: number): Descriptor {
  const nothing = {
    annotations: {},
    urls: [],
    platform: undefined,
    artifactType: undefined,
    data: undefined,
  };
  return { mediaType, digest, size, ...nothing };
}

function readContentType(response: HttpResponse): string | undefined {
  return findHeader(response, 'content-type')?.replace(/;.*/s, '').trim().toLowerCase() || undefined;
}
