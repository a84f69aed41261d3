import { ShaleError } from '../../error/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import { RegistryError } from '../error.ts';
import { findHeader, type HttpResponse, showUrl } from '../transport/index.ts';
import { refuseEncoding } from './encoding.ts';
import { failover } from './failover.ts';
import { openForeign } from './foreign.ts';
import type { BlobResponse, CallOptions, RepositoryName } from './options.ts';
import type { Call } from './remote.ts';
import type { Session } from './session.ts';

/** Bytes of the blob: from `start` to before `end`. */
export interface BlobRange {
  readonly start?: number | undefined;
  readonly end?: number | undefined;
}

/** What became of a body. */
type Failure = 'broken' | 'wrong';

interface Wanted {
  readonly start: number;
  readonly end: number;
  readonly size: number;
}

/**
 * Opens a blob, or a range of it. If the registry has not got it and its descriptor has `urls`, these are tried. What comes
 * is of the right length, or ends with an error; its digest is the reader's to check.
 */
export async function openBlob(
  session: Session,
  { registry, repository }: RepositoryName,
  descriptor: Descriptor,
  options: CallOptions & BlobRange = {},
): Promise<BlobResponse> {
  const wanted = readRange(descriptor, options);
  if (wanted.start === wanted.end) return empty(wanted.start);
  const { digest } = descriptor;
  try {
    return await failover(session, { registry, repository, digest }, async remote => {
      const call = blobCall('GET', repository, digest, options);
      const failed = (how: Failure) => {
        if (how === 'broken') session.rest(remote.endpoint);
        else session.distrust(remote.endpoint);
        return remote.endpoint.mirror;
      };
      return await openRanged(
        (headers, ...expected) => remote.request({ ...call, headers }, ...expected),
        wanted,
        failed,
      );
    });
  } catch (error) {
    const missing = error instanceof RegistryError && error.code === 'not-found';
    if (!missing || descriptor.urls.length === 0) throw error;
    return await openForeign(session, descriptor.urls, call => openRanged(call, wanted), error, options);
  }
}

/** Whether the registry, or a mirror, has it. */
export async function hasBlob(
  session: Session,
  { registry, repository }: RepositoryName,
  { digest }: Descriptor,
  options: CallOptions = {},
): Promise<boolean> {
  try {
    return await failover(session, { registry, repository, digest }, async remote => {
      (await remote.request(blobCall('HEAD', repository, digest, options), 200)).body.discard();
      return true;
    });
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'not-found') return false;
    throw error;
  }
}

export function blobCall(
  method: 'GET' | 'HEAD' | 'DELETE',
  repository: string,
  digest: string,
  { signal }: CallOptions,
): Call {
  const doing = { GET: 'read', HEAD: 'find', DELETE: 'delete' }[method];
  const actions = method === 'DELETE' ? (['delete'] as const) : (['pull'] as const);
  return {
    method,
    target: `blobs/${digest}`,
    what: `${doing} the blob ${digest} of ${repository}`,
    actions,
    signal,
  };
}

/** Sends the request for a blob with these headers, and takes a response with one of these statuses. */
export type BlobRequest = (
  headers: Readonly<Record<string, string>>,
  ...expected: readonly number[]
) => Promise<HttpResponse>;

/**
 * The range, or the whole blob from a server that gives no ranges. `failed` is called if its content is no good; it says
 * whether another server will be asked then.
 */
export async function openRanged(
  request: BlobRequest,
  wanted: Wanted,
  failed?: (how: Failure) => boolean,
): Promise<BlobResponse> {
  const { start, end, size } = wanted;
  const whole = start === 0 && end === size;
  const response = await request(whole ? {} : { range: `bytes=${start}-${end - 1}` }, 200, 206, 416);
  if (response.status !== 416) return readBlob(response, wanted, whole, failed);
  // A server that takes no ranges may say so in this way. If the blob is too short, its length tells next.
  response.body.discard();
  return readBlob(await request({}, 200), wanted, false, failed);
}

function readBlob(
  response: HttpResponse,
  wanted: Wanted,
  whole: boolean,
  failed?: (how: Failure) => boolean,
): BlobResponse {
  const { headers, body, status } = response;
  try {
    refuseEncoding(response);
    body.expect(readLength(response, wanted));
  } catch (error) {
    body.discard();
    throw error;
  }
  body.onBreak = error => {
    if (!(error instanceof ShaleError && error.code === 'cancelled')) failed?.('broken');
  };
  const start = status === 206 ? wanted.start : 0;
  const ranged = status === 206 || (whole && headers['accept-ranges'] === 'bytes');
  return { start, ranged, body, discard: () => body.discard(), distrust: () => failed?.('wrong') ?? false };
}

/** How many bytes have to come. Anything that contradicts what was asked for is refused. */
function readLength(response: HttpResponse, { start, end, size }: Wanted): number {
  const url = showUrl(response.url);
  const length = findHeader(response, 'content-length');
  const expected = response.status === 206 ? end - start : size;
  const detail = { url, status: response.status, start, end, size, length };
  if (response.status === 206) {
    const text = findHeader(response, 'content-range') ?? '';
    const range = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i.exec(text.trim());
    if (
      range === null ||
      Number(range[1]) !== start ||
      Number(range[2]) !== end - 1 ||
      (range[3] !== '*' && Number(range[3]) !== size)
    ) {
      const message = `${url} sends another range than bytes ${start} to ${end - 1} of ${size}`;
      throw new RegistryError('corrupt', message, {
        detail: { ...detail, contentRange: text.slice(0, 100) },
      });
    }
  }
  if (length !== undefined && Number(length) !== expected) {
    throw new RegistryError('corrupt', `${url} sends ${length} bytes, not ${expected}`, { detail });
  }
  return expected;
}

function readRange({ size, digest }: Descriptor, range: BlobRange): Wanted {
  const { start = 0, end = size } = range;
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start || end > size) {
    throw new RegistryError(
      'invalid',
      `bytes ${start} to ${end} are not within the ${size} bytes of ${digest}`,
    );
  }
  return { start, end, size };
}

function empty(start: number): BlobResponse {
  return { start, ranged: true, body: (async function* () {})(), discard: () => {}, distrust: () => false };
}
