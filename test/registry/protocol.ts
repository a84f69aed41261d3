import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { mediaTypes } from '../../src/oci/index.ts';
import { sha256 } from '../archive/fixture.ts';
import type { Contents } from './contents.ts';
import type { FakeRegistryOptions } from './fake.ts';

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly origin: string;
}

/** Of a HEAD too the body is given: its length is what counts. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined;
  readonly body?: Buffer | undefined;
}

const json = (status: number, value: unknown, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: Buffer.from(JSON.stringify(value)),
});
const failure = (status: number, code: string, headers: Record<string, string> = {}): Answer =>
  json(status, { errors: [{ code, message: code.toLowerCase() }] }, headers);

/** The distribution specification, end-1 to end-13, over some contents. */
export class Protocol {
  readonly #contents: Contents;
  readonly #options: FakeRegistryOptions;
  readonly #uploads = new Map<string, Buffer>();

  constructor(contents: Contents, options: FakeRegistryOptions) {
    this.#contents = contents;
    this.#options = options;
  }

  answer(call: Call): Answer {
    const [, name = '', kind = '', rest = ''] =
      /^\/v2\/(.+?)\/(blobs\/uploads|blobs|manifests|tags|referrers)(?:\/(.*))?$/.exec(call.path) ?? [];
    const refused = this.#challenge(call, name);
    if (refused) return refused;
    if (call.path === '/v2/') return json(200, {}, { 'docker-distribution-api-version': 'registry/2.0' });
    switch (kind) {
      case 'blobs':
        return this.#blob(call, name, rest);
      case 'manifests':
        return this.#manifest(call, name, rest);
      case 'tags':
        return this.#tags(call, name);
      case 'referrers':
        return this.#referrers(call, name, rest);
      case 'blobs/uploads':
        return rest === '' ? this.#beginUpload(call, name) : this.#upload(call, name, rest);
      default:
        return failure(404, 'NOT_FOUND');
    }
  }

  /** What came of an upload's body before the connection broke. */
  keepPart(path: string, part: Buffer): void {
    const id = path.split('/').at(-1) ?? '';
    const upload = this.#uploads.get(id);
    if (upload) this.#uploads.set(id, Buffer.concat([upload, part]));
  }

  /** The whole, or the range that was asked for. */
  answerRange(call: Call, bytes: Buffer, contentType: string, headers: Record<string, string> = {}): Answer {
    const range = /^bytes=(\d+)-(\d*)$/.exec(call.headers.range ?? '');
    const all = { 'content-type': contentType, ...headers };
    if (!range || this.#options.ranges === false) return { status: 200, headers: all, body: bytes };
    const start = Number(range[1]);
    const end = range[2] === '' ? bytes.length : Math.min(bytes.length, Number(range[2]) + 1);
    if (start >= bytes.length || end <= start) {
      return failure(416, 'RANGE_INVALID', { 'content-range': `bytes */${bytes.length}` });
    }
    return {
      status: 206,
      headers: { ...all, 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` },
      body: bytes.subarray(start, end),
    };
  }

  #challenge(call: Call, name: string): Answer | undefined {
    const { auth } = this.#options;
    if (auth === undefined) return undefined;
    const [scheme = '', value = ''] = (call.headers.authorization ?? '').split(' ');
    if (auth.kind === 'basic') {
      const expected = Buffer.from(`${auth.username}:${auth.password}`).toString('base64');
      if (scheme.toLowerCase() === 'basic' && value === expected) return undefined;
      return failure(401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="fake"' });
    }
    const action = call.method === 'GET' || call.method === 'HEAD' ? 'pull' : 'push';
    const wanted = call.method === 'DELETE' ? 'delete' : action;
    const token = scheme.toLowerCase() === 'bearer' ? auth.server.find(value) : undefined;
    const allows = (actions: readonly string[]) => actions.includes(wanted) || actions.includes('*');
    if (
      token &&
      (name === '' || token.access.some(access => access.name === name && allows(access.actions)))
    ) {
      return undefined;
    }
    const scopes = [name && `repository:${name}:${wanted === 'push' ? 'pull,push' : wanted}`];
    const from = call.query.get('from');
    if (from) scopes.push(`repository:${from}:pull`);
    const challenge = [
      `Bearer realm="${auth.server.realm}"`,
      `service="${auth.service ?? 'fake'}"`,
      ...(name ? [`scope="${scopes.join(' ')}"`] : []),
      ...(value ? ['error="invalid_token"'] : []),
    ];
    return failure(401, 'UNAUTHORIZED', { 'www-authenticate': challenge.join(',') });
  }

  #blob(call: Call, name: string, digest: string): Answer {
    const repository = this.#contents.repositories.get(name);
    const bytes = repository?.blobs.has(digest) ? this.#contents.blobs.get(digest) : undefined;
    if (!bytes) return failure(404, 'BLOB_UNKNOWN');
    if (call.method === 'DELETE') {
      repository?.blobs.delete(digest);
      return { status: 202 };
    }
    const headers = {
      'docker-content-digest': digest,
      etag: `"${digest}"`,
      ...(this.#options.ranges !== false && { 'accept-ranges': 'bytes' }),
    };
    return this.answerRange(call, bytes, 'application/octet-stream', headers);
  }

  #manifest(call: Call, name: string, reference: string): Answer {
    const { manifests, tags } = this.#contents.repository(name);
    if (call.method === 'PUT') {
      const mediaType = call.headers['content-type'] ?? '';
      const tag = reference.includes(':') ? undefined : reference;
      if (tag === undefined && reference !== `sha256:${sha256(call.body)}`)
        return failure(400, 'DIGEST_INVALID');
      const missing = this.#missing(name, call.body);
      if (missing) return failure(400, 'MANIFEST_BLOB_UNKNOWN');
      const digest = this.#contents.putManifest(name, mediaType, call.body, tag);
      const subject = (JSON.parse(call.body.toString()) as { subject?: { digest: string } }).subject?.digest;
      return {
        status: 201,
        headers: {
          location: `/v2/${name}/manifests/${digest}`,
          'docker-content-digest': digest,
          'oci-subject': this.#options.referrers === false ? undefined : subject,
        },
      };
    }
    const digest = reference.includes(':') ? reference : tags.get(reference);
    const stored = digest === undefined ? undefined : manifests.get(digest);
    if (!stored || digest === undefined) return failure(404, 'MANIFEST_UNKNOWN');
    if (call.method === 'DELETE') {
      if (!reference.includes(':')) {
        tags.delete(reference);
      } else {
        manifests.delete(digest);
        for (const [tag, target] of tags) if (target === digest) tags.delete(tag);
      }
      return { status: 202 };
    }
    return {
      status: 200,
      headers: { 'content-type': stored.mediaType, 'docker-content-digest': digest },
      body: stored.bytes,
    };
  }

  /** What the manifest needs and the repository has not; a registry is to refuse it then. */
  #missing(name: string, bytes: Buffer): string | undefined {
    const { blobs, manifests } = this.#contents.repository(name);
    const document = JSON.parse(bytes.toString()) as {
      config?: { digest: string };
      layers?: { digest: string; urls?: string[] }[];
      manifests?: { digest: string }[];
    };
    return (
      [document.config, ...(document.layers ?? []).filter(({ urls }) => !urls)].find(
        part => part !== undefined && !blobs.has(part.digest),
      )?.digest ?? (document.manifests ?? []).find(({ digest }) => !manifests.has(digest))?.digest
    );
  }

  #tags(call: Call, name: string): Answer {
    const repository = this.#contents.repositories.get(name);
    if (!repository) return failure(404, 'NAME_UNKNOWN');
    const limit = Math.min(Number(call.query.get('n') ?? Infinity), this.#options.pageSize ?? 100);
    const last = call.query.get('last') ?? '';
    const left = [...repository.tags.keys()].sort().filter(tag => tag > last);
    const tags = left.slice(0, limit);
    const next = `/v2/${name}/tags/list?n=${limit}&last=${tags.at(-1)}`;
    return json(200, { name, tags }, left.length > limit ? { link: `<${next}>; rel="next"` } : {});
  }

  #referrers(call: Call, name: string, subject: string): Answer {
    if (this.#options.referrers === false) return failure(404, 'NOT_FOUND');
    const wanted = call.query.get('artifactType');
    const found = [...this.#contents.repository(name).manifests].flatMap(([digest, { mediaType, bytes }]) => {
      const document = JSON.parse(bytes.toString()) as {
        subject?: { digest: string };
        artifactType?: string;
        config?: { mediaType?: string };
        annotations?: Record<string, string>;
      };
      if (document.subject?.digest !== subject) return [];
      const artifactType = document.artifactType ?? document.config?.mediaType;
      if (wanted !== null && artifactType !== wanted) return [];
      const { annotations } = document;
      return [{ mediaType, digest, size: bytes.length, artifactType, ...(annotations && { annotations }) }];
    });
    const [limit, skip] = [this.#options.pageSize ?? 100, Number(call.query.get('skip') ?? 0)];
    const query = new URLSearchParams({
      ...(wanted !== null && { artifactType: wanted }),
      skip: String(skip + limit),
    });
    return json(
      200,
      { schemaVersion: 2, mediaType: mediaTypes.index, manifests: found.slice(skip, skip + limit) },
      {
        'content-type': mediaTypes.index,
        ...(wanted !== null && { 'oci-filters-applied': 'artifactType' }),
        ...(found.length > skip + limit && {
          link: `</v2/${name}/referrers/${subject}?${query}>; rel="next"`,
        }),
      },
    );
  }

  #beginUpload(call: Call, name: string): Answer {
    if (call.method !== 'POST') return failure(405, 'UNSUPPORTED');
    const [mount, from, digest] = ['mount', 'from', 'digest'].map(key => call.query.get(key));
    if (mount && from && this.#options.mounts !== false) {
      if (this.#contents.repositories.get(from)?.blobs.has(mount)) {
        this.#contents.repository(name).blobs.add(mount);
        return this.#stored(call, name, mount);
      }
    }
    if (digest) return this.#store(call, name, digest, call.body);
    const id = randomUUID();
    this.#uploads.set(id, Buffer.alloc(0));
    return this.#accepted(call, name, id, 202);
  }

  #upload(call: Call, name: string, id: string): Answer {
    const upload = this.#uploads.get(id);
    if (!upload || (call.method !== 'GET' && call.query.get('_state') !== `s${upload.length}`)) {
      return failure(404, 'BLOB_UPLOAD_UNKNOWN');
    }
    if (call.method === 'GET') return this.#accepted(call, name, id, 204);
    if (call.method === 'DELETE') {
      this.#uploads.delete(id);
      return { status: 204 };
    }
    const range = /^(\d+)-(\d+)$/.exec(call.headers['content-range'] ?? '');
    const fits =
      !range ||
      (Number(range[1]) === upload.length && Number(range[2]) === upload.length + call.body.length - 1);
    const { minimumChunk = 0 } = this.#options;
    if (!fits || (call.method === 'PATCH' && call.body.length < minimumChunk)) {
      return failure(416, 'BLOB_UPLOAD_INVALID', { range: `0-${Math.max(0, upload.length - 1)}` });
    }
    const whole = Buffer.concat([upload, call.body]);
    if (call.method === 'PATCH') {
      this.#uploads.set(id, whole);
      return this.#accepted(call, name, id, 202);
    }
    if (call.method !== 'PUT') return failure(405, 'UNSUPPORTED');
    this.#uploads.delete(id);
    return this.#store(call, name, call.query.get('digest') ?? '', whole);
  }

  /** Each answer gives another location, with a state that the next request has to bring. */
  #accepted(call: Call, name: string, id: string, status: number): Answer {
    const size = this.#uploads.get(id)?.length ?? 0;
    const { minimumChunk } = this.#options;
    return {
      status,
      headers: {
        location: this.#location(call, `/v2/${name}/blobs/uploads/${id}?_state=s${size}`),
        range: `0-${Math.max(0, size - 1)}`,
        'docker-upload-uuid': id,
        'oci-chunk-min-length': minimumChunk === undefined ? undefined : String(minimumChunk),
      },
    };
  }

  #store(call: Call, name: string, digest: string, bytes: Buffer): Answer {
    if (digest !== `sha256:${sha256(bytes)}`) return failure(400, 'DIGEST_INVALID');
    this.#contents.putBlob(name, bytes);
    return this.#stored(call, name, digest);
  }

  #stored(call: Call, name: string, digest: string): Answer {
    return {
      status: 201,
      headers: {
        location: this.#location(call, `/v2/${name}/blobs/${digest}`),
        'docker-content-digest': digest,
      },
    };
  }

  #location(call: Call, path: string): string {
    return this.#options.absoluteLocations ? `${call.origin}${path}` : path;
  }
}
