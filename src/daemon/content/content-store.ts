import { type FileHandle, open } from 'node:fs/promises';
import { ShaleError } from '../../error/index.ts';
import { type Digest, parseDigest } from '../../oci/index.ts';
import { DaemonError } from '../error.ts';
import type { WireLabels } from '../wire/message.ts';
import { type CallOptions, Connection, type Conversation } from './connection.ts';

/** What containerd's content store says of a blob. */
export interface ContentInfo {
  readonly digest: Digest;
  /** In bytes. */
  readonly size: number;
  readonly labels: WireLabels;
}

/** A file that is to become a blob. */
export interface NewContent {
  readonly path: string;
  readonly digest: Digest;
  readonly size: number;
  readonly labels: WireLabels;
  /** Names the write while it goes on; what an earlier write of this name has left is dropped. */
  readonly reference: string;
}

interface InfoResponse {
  readonly info: { readonly digest: string; readonly size: number; readonly labels: WireLabels };
}
interface ReadResponse {
  readonly data: Buffer;
}
interface WriteResponse {
  readonly offset: number;
}

/** In bytes. */
const messageBytes = 1024 * 1024;

/** containerd's content store, by gRPC. DaemonErrors. */
export class ContentStore implements Disposable {
  readonly #connection: Connection;

  /** `address` is the path of containerd's socket. */
  constructor(address: string) {
    this.#connection = new Connection('containerd.services.content.v1.Content', address);
  }

  async info(digest: Digest, options: CallOptions): Promise<ContentInfo> {
    const { info } = await this.#connection.unary<InfoResponse>('Info', { digest }, options);
    return {
      digest: parseDigest(info.digest, 'the digest from containerd'),
      size: info.size,
      labels: info.labels,
    };
  }

  /** The blob from its first byte to its last. Nothing is verified here. */
  async *read(digest: Digest, options: CallOptions): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const { data } of this.#connection.stream<ReadResponse>('Read', { digest }, options))
      yield data;
  }

  /** Puts a file into the store; containerd verifies it. One that is there already gets the labels all the same. */
  async put(content: NewContent, options: CallOptions): Promise<void> {
    const file = await open(content.path);
    try {
      await this.#connection.converse('Write', options, conversation => upload(conversation, file, content));
    } catch (error) {
      if (!(error instanceof ShaleError) || error.code !== 'exists') {
        await this.#abort(content.reference, options);
        throw error;
      }
      await this.#label(content, options);
    } finally {
      await file.close();
    }
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }

  async #label({ digest, labels }: NewContent, options: CallOptions): Promise<void> {
    const paths = Object.keys(labels).map(name => `labels.${name}`);
    if (paths.length === 0) return;
    await this.#connection.unary('Update', { info: { digest, labels }, updateMask: { paths } }, options);
  }

  /** What is left of a write that failed goes; why it failed is what counts. */
  async #abort(ref: string, { namespace, lease }: CallOptions): Promise<void> {
    await this.#connection.unary('Abort', { ref }, { namespace, lease }).catch(() => {});
  }
}

/** Each message is answered before the next is sent, so that no more than one is in memory. */
async function upload(conversation: Conversation, file: FileHandle, content: NewContent): Promise<void> {
  const { digest, size, labels, reference } = content;
  const answers = conversation[Symbol.asyncIterator]();
  const buffer = Buffer.allocUnsafe(messageBytes);
  for (let offset = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(messageBytes, size - offset), offset);
    const last = offset + bytesRead === size;
    if (bytesRead === 0 && !last)
      throw new DaemonError('conflict', `${content.path} became shorter while it was read`);
    conversation.write({
      action: last ? 'COMMIT' : 'WRITE',
      ref: reference,
      total: size,
      expected: digest,
      offset,
      data: buffer.subarray(0, bytesRead),
      ...(last && { labels }),
    });
    offset += bytesRead;
    const { done, value } = await answers.next();
    if (done || (value as WriteResponse).offset !== offset) {
      throw new DaemonError('unavailable', 'containerd does not take what is written to it');
    }
    if (last) return conversation.end();
  }
}
