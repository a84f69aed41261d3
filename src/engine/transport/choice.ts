import { mayBeImage, requirePlatform } from '../../archive/index.ts';
import { type ContentOptions, type Fetcher, readGraphManifest } from '../../content/index.ts';
import { ShaleError } from '../../error/index.ts';
import {
  choosePlatform,
  type Descriptor,
  type Digest,
  documentLimit,
  findMediaType,
  type Platform,
  parseConfig,
} from '../../oci/index.ts';

export interface ChoiceOptions extends ContentOptions {
  /** All that was asked for, not the image for one platform. */
  readonly all: boolean;
  /** What the user asked for. */
  readonly platform: Platform | undefined;
  /** What to choose for when there is a choice and the user said nothing. */
  readonly host: Platform;
}

/** Indexes within indexes; two levels are usual. */
const depthLimit = 8;

/**
 * What is to be copied of a source: its root, or the one manifest under it that suits the platform. ShaleError
 * `not-found` if none does.
 */
export async function chooseRoot(
  fetcher: Fetcher,
  roots: readonly Descriptor[],
  options: ChoiceOptions,
): Promise<Descriptor> {
  const different = [...new Map(roots.map(root => [root.digest, root])).values()];
  if (options.all) {
    if (different.length === 1) return different[0]!;
    const message = `${fetcher.place} lists its platforms one by one, without an index that holds them all`;
    throw new ShaleError('invalid', message, {
      detail: { manifests: different.map(({ digest }) => digest) },
      hint: 'copy them one by one, with --platform',
    });
  }
  const images = await listImages(fetcher, different, options);
  const [first] = images;
  if (first === undefined) {
    throw new ShaleError(
      'not-found',
      `${fetcher.place} holds no image, only attestations or other artifacts`,
      {
        hint: 'with --all-platforms all of it is copied',
      },
    );
  }
  if (images.length > 1) {
    return choosePlatform(images, options.platform ?? options.host, fetcher.place).descriptor;
  }
  if (options.platform !== undefined) {
    const actual = first.platform ?? (await readPlatformOf(fetcher, first.descriptor, options));
    requirePlatform(actual, options.platform, fetcher.place);
  }
  return first.descriptor;
}

interface Candidate {
  readonly descriptor: Descriptor;
  readonly platform: Platform | undefined;
}

async function listImages(
  fetcher: Fetcher,
  roots: readonly Descriptor[],
  { signal }: ContentOptions,
): Promise<Candidate[]> {
  const found: Candidate[] = [];
  const seen = new Set<Digest>();
  const visit = async (descriptor: Descriptor, inherited: Platform | undefined, depth: number) => {
    if (seen.has(descriptor.digest)) return;
    seen.add(descriptor.digest);
    const platform = descriptor.platform ?? inherited;
    if (findMediaType(descriptor.mediaType)?.kind !== 'index') {
      found.push({ descriptor, platform });
      return;
    }
    if (depth === depthLimit) {
      throw new ShaleError('invalid', `${fetcher.place} has indexes more than ${depthLimit} levels deep`);
    }
    const { content } = await readGraphManifest(fetcher, descriptor, { signal });
    if (content.kind !== 'index') return;
    for (const entry of content.manifests) if (mayBeImage(entry)) await visit(entry, platform, depth + 1);
  };
  for (const root of roots) await visit(root, undefined, 0);
  return found;
}

/** As the config says it; nothing of what is no image. */
async function readPlatformOf(
  fetcher: Fetcher,
  descriptor: Descriptor,
  { signal }: ContentOptions,
): Promise<Platform | undefined> {
  const { content } = await readGraphManifest(fetcher, descriptor, { signal });
  if (content.kind !== 'manifest' || findMediaType(content.config.mediaType)?.kind !== 'config')
    return undefined;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of fetcher.openBlob(content.config, 0, { signal })) {
    size += chunk.length;
    // The copy will say what is wrong with it.
    if (size > documentLimit) return undefined;
    chunks.push(chunk);
  }
  return parseConfig(Buffer.concat(chunks), `config ${content.config.digest}`).platform;
}
