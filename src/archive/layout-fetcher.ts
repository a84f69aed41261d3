import { type Bytes, type ContentOptions, type Fetcher, readLocation, readSmall } from '../content/index.ts';
import { type Descriptor, type Digest, findMediaType, JsonView, parseJson } from '../oci/index.ts';
import { locate, type Medium } from './medium.ts';
import { blobName } from './walk.ts';

/** The content of an OCI layout. */
export class LayoutFetcher implements Fetcher {
  readonly place: string;
  readonly #medium: Medium;
  readonly #entries: readonly Descriptor[];
  #referrers: Promise<Map<Digest, Descriptor[]>> | undefined;

  constructor(medium: Medium, entries: readonly Descriptor[], place: string) {
    this.place = place;
    this.#medium = medium;
    this.#entries = entries;
  }

  async readManifest({ digest }: Descriptor, options: ContentOptions): Promise<Uint8Array> {
    return readSmall(await locate(this.#medium, blobName(digest), 'a manifest of the image'), options);
  }

  async *openBlob({ digest }: Descriptor, offset: number, options: ContentOptions): Bytes {
    const blob = await locate(this.#medium, blobName(digest), 'a blob of the image');
    const size = Math.max(0, blob.size - offset);
    yield* readLocation({ ...blob, offset: blob.offset + offset, size }, options);
  }

  async hasBlob({ digest }: Descriptor): Promise<boolean> {
    return (await this.#medium.find(blobName(digest))) !== undefined;
  }

  /** A layout lists them in index.json like everything else (OCI image-layout.md). */
  async findReferrers(subject: Digest, options: ContentOptions): Promise<readonly Descriptor[]> {
    this.#referrers ??= this.#readSubjects(options);
    return (await this.#referrers).get(subject) ?? [];
  }

  async #readSubjects(options: ContentOptions): Promise<Map<Digest, Descriptor[]>> {
    const found = new Map<Digest, Descriptor[]>();
    for (const entry of this.#entries) {
      const kind = findMediaType(entry.mediaType)?.kind;
      if (kind !== 'manifest' && kind !== 'index') continue;
      const location = await this.#medium.find(blobName(entry.digest));
      if (location === undefined) continue;
      const where = `manifest ${entry.digest}`;
      const view = new JsonView(parseJson(await readSmall(location, options), where), where);
      const subject = view.optionalObject('subject')?.string('digest') as Digest | undefined;
      if (subject !== undefined) found.set(subject, [...(found.get(subject) ?? []), entry]);
    }
    return found;
  }
}
