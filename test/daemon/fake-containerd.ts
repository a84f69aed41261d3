/** containerd's content store and leases, as far as Shale uses them, in memory: what its documentation says they do. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { loadService } from '../../src/daemon/wire/protocol.ts';

export interface FakeContainerd extends AsyncDisposable {
  readonly socket: string;
  readonly blobs: Map<string, { bytes: Buffer; labels: Record<string, string> }>;
  /** By reference: writes that have not ended. */
  readonly writes: Map<string, Buffer>;
  readonly leases: string[];
  /** The headers of each call, by method. */
  readonly headers: { method: string; namespace: unknown; lease: unknown }[];
  /** Blobs are read in pieces of so many bytes. */
  pieceBytes: number;
  /** Called before each piece that is read. */
  onPiece: () => Promise<void>;
  add(bytes: Buffer): { digest: string; size: number };
}

interface WriteMessage {
  action: 'STAT' | 'WRITE' | 'COMMIT';
  ref: string;
  total: number;
  expected: string;
  offset: number;
  data: Buffer;
  labels: Record<string, string>;
}

const digestOf = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

export async function startFakeContainerd(directory: string): Promise<FakeContainerd> {
  const socket = path.join(directory, 'containerd.sock');
  const server = new Server();
  const fake: FakeContainerd = {
    ...{ socket, blobs: new Map(), writes: new Map(), leases: [], headers: [] },
    pieceBytes: 32 * 1024,
    onPiece: async () => {},
    add(bytes) {
      const digest = digestOf(bytes);
      fake.blobs.set(digest, { bytes, labels: {} });
      return { digest, size: bytes.length };
    },
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
    },
  };
  const hear = (method: string, metadata: Metadata) => {
    const [namespace, lease] = ['containerd-namespace', 'containerd-lease'].map(
      name => metadata.get(name)[0],
    );
    fake.headers.push({ method, namespace, lease });
  };
  const unary =
    <Request>(method: string, answer: (request: Request) => object | undefined) =>
    (call: ServerUnaryCall<Request, object>, reply: sendUnaryData<object>) => {
      hear(method, call.metadata);
      const response = answer(call.request);
      if (response === undefined) reply({ code: status.NOT_FOUND, details: 'content not found' });
      else reply(null, response);
    };

  server.addService(loadService('containerd.services.content.v1.Content'), {
    Info: unary('Info', ({ digest }: { digest: string }) => {
      const blob = fake.blobs.get(digest);
      return blob && { info: { digest, size: blob.bytes.length, labels: blob.labels } };
    }),
    Update: unary('Update', (request: { info: { digest: string; labels: Record<string, string> } }) => {
      const blob = fake.blobs.get(request.info.digest);
      if (blob !== undefined) Object.assign(blob.labels, request.info.labels);
      return blob && {};
    }),
    Abort: unary('Abort', ({ ref }: { ref: string }) => {
      fake.writes.delete(ref);
      return {};
    }),
    async Read(call: ServerWritableStream<{ digest: string }, object>) {
      hear('Read', call.metadata);
      const blob = fake.blobs.get(call.request.digest);
      if (blob === undefined) {
        call.emit(
          'error',
          Object.assign(new Error(), { code: status.NOT_FOUND, details: 'content not found' }),
        );
        return;
      }
      for (let offset = 0; offset < blob.bytes.length && !call.cancelled; offset += fake.pieceBytes) {
        await fake.onPiece();
        call.write({ offset, data: blob.bytes.subarray(offset, offset + fake.pieceBytes) });
      }
      call.end();
    },
    Write(call: ServerDuplexStream<WriteMessage, object>) {
      hear('Write', call.metadata);
      let ref = '';
      const fail = (code: status, details: string) =>
        call.emit('error', Object.assign(new Error(), { code, details }));
      call.on('data', (message: WriteMessage) => {
        ref ||= message.ref;
        const { action, offset, data, expected, total, labels } = message;
        if (fake.blobs.has(expected)) return fail(status.ALREADY_EXISTS, `blob ${expected} exists`);
        let written = fake.writes.get(ref) ?? Buffer.alloc(0);
        if (offset === 0) written = Buffer.alloc(0);
        if (offset !== written.length) return fail(status.OUT_OF_RANGE, `write at ${offset}`);
        written = Buffer.concat([written, data]);
        fake.writes.set(ref, written);
        if (action === 'COMMIT') {
          const digest = digestOf(written);
          if (digest !== expected || written.length !== total)
            return fail(status.FAILED_PRECONDITION, `got ${digest}`);
          fake.blobs.set(digest, { bytes: written, labels });
          fake.writes.delete(ref);
        }
        call.write({ action, offset: written.length, digest: digestOf(written) });
        if (action === 'COMMIT') call.end();
      });
      call.on('end', () => call.end());
    },
  });
  server.addService(loadService('containerd.services.leases.v1.Leases'), {
    Create: unary('Create', ({ labels }: { labels: Record<string, string> }) => {
      fake.leases.push(labels['containerd.io/gc.expire'] ?? 'for ever');
      return { lease: { id: `lease-${fake.leases.length}` } };
    }),
    Delete: unary('Delete', () => ({})),
  });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), error =>
      error ? reject(error) : resolve(),
    );
  });
  return fake;
}
