import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type OpenOptions, openImage } from '../../src/archive/index.ts';
import { mediaTypes, parsePlatform } from '../../src/oci/index.ts';

/** A descriptor as JSON; tests bend its fields. */
export type Fields = Record<string, unknown>;

export const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

/** Makes the files of a layout by hand; each call answers with the descriptor that the next one takes. */
export class Files {
  readonly map = new Map<string, Buffer>();

  put(name: string, content: Uint8Array | string | object): this {
    this.map.set(
      name,
      typeof content === 'string' || content instanceof Uint8Array ? Buffer.from(content) : json(content),
    );
    return this;
  }

  blob(mediaType: string, content: Uint8Array | object, fields: Fields = {}): Fields & { digest: string } {
    const bytes = content instanceof Uint8Array ? Buffer.from(content) : json(content);
    const hex = sha256(bytes);
    this.map.set(`blobs/sha256/${hex}`, bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length, ...fields };
  }

  /** An image of layers that hold just the given texts. */
  image(
    layers: readonly string[],
    { config = {}, manifest = {}, ...fields }: { config?: Fields; manifest?: Fields } & Fields = {},
  ) {
    const blobs = layers.map(text => this.blob(mediaTypes.layer, Buffer.from(text)));
    const rootfs = { type: 'layers', diff_ids: blobs.map(({ digest }) => digest) };
    const configured = this.blob(mediaTypes.config, {
      os: 'linux',
      architecture: 'amd64',
      rootfs,
      ...config,
    });
    return this.blob(
      mediaTypes.manifest,
      { schemaVersion: 2, config: configured, layers: blobs, ...manifest },
      fields,
    );
  }

  index(manifests: readonly Fields[], fields: Fields = {}) {
    return this.blob(mediaTypes.index, { schemaVersion: 2, manifests }, fields);
  }

  /** Makes it a layout whose index.json lists `manifests`. */
  layout(...manifests: readonly Fields[]): this {
    return this.put('oci-layout', { imageLayoutVersion: '1.0.0' }).put('index.json', {
      schemaVersion: 2,
      manifests,
    });
  }

  async writeDirectory(directory: string): Promise<void> {
    for (const [name, bytes] of this.map) {
      const file = path.join(directory, name);
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, bytes);
    }
  }

  tar(prefix = ''): Buffer {
    return Buffer.concat([
      ...[...this.map].map(([name, bytes]) => member(prefix + name, bytes)),
      Buffer.alloc(1024),
    ]);
  }
}

/** A ustar member, padded; `fields` are the header's own, such as a link's type and target. */
export function member(
  name: string,
  content: Uint8Array | string = '',
  { type = '0', link = '', size }: { type?: string; link?: string; size?: number } = {},
): Buffer {
  const bytes = Buffer.from(content as string);
  const header = Buffer.alloc(512);
  header.write(name, 0, 100, 'utf8');
  header.write('0000644\0', 100);
  header.write(`${(size ?? bytes.length).toString(8).padStart(11, '0')}\0`, 124);
  header.write(`        ${type}`, 148);
  header.write(link, 157, 100, 'utf8');
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** A pax record, its own length included. */
export function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(rest) + 1;
  while (String(length).length + Buffer.byteLength(rest) !== length) length++;
  return `${length}${rest}`;
}

export const host = parsePlatform('linux/amd64');

/** A directory that goes away with its scope. */
export async function temporary(): Promise<AsyncDisposable & { path: string; file(name: string): string }> {
  const created = await mkdtemp(path.join(tmpdir(), 'shale-archive-'));
  return {
    path: created,
    file: name => path.join(created, name),
    [Symbol.asyncDispose]: () => rm(created, { recursive: true }),
  };
}

/** Opens the layout as a directory; `suffix` is what follows the path in the source. */
export async function openDirectory(files: Files, suffix = '', options: Partial<OpenOptions> = {}) {
  await using directory = await temporary();
  await files.writeDirectory(directory.file('layout'));
  return await openImage(`oci:${directory.file('layout')}${suffix}`, { host, ...options });
}

/** Opens bytes as an archive of that kind. */
export async function openArchive(
  kind: 'oci-archive' | 'docker-archive',
  bytes: Uint8Array,
  suffix = '',
  options: Partial<OpenOptions> = {},
) {
  await using directory = await temporary();
  await writeFile(directory.file('image.tar'), bytes);
  return await openImage(`${kind}:${directory.file('image.tar')}${suffix}`, { host, ...options });
}
