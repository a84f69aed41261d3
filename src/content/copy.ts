import type { Descriptor } from '../oci/index.ts';
import type { Bytes, ContentOptions, Fetcher, Graph, Pusher, Transferred } from './contract.ts';
import { inParallel } from './parallel.ts';
import { ResumableContent } from './resumable.ts';
import { blame, blaming, blamingStream } from './side.ts';

const blobsAtOnce = 4;

export interface GraphCopyOptions extends ContentOptions {
  /** Blobs on their way at the same time. */
  readonly blobsAtOnce?: number | undefined;
  readonly onProgress?: ((event: CopyEvent) => void) | undefined;
}

export interface CopyEvent {
  readonly blob: Descriptor;
  /** Bytes; may go back when something is sent again. */
  readonly taken: number;
  /** Set once the blob is there. */
  readonly how?: Transferred;
}

/** A blob or manifest, and how it came to be at the target. */
export interface CopiedContent {
  readonly descriptor: Descriptor;
  readonly how: Transferred | 'left-out';
}

/**
 * Copies a graph: push, pull and mirror are this. Children come first, blobs several at once, then manifests, the root
 * at last, so that at no time the target has something whose parts it lacks. Every byte is verified on its way. What
 * fails says in its message, and in `detail.side`, at which end. The first failure ends the copy; it rejects only when
 * nothing is under way any more.
 */
export async function copy(
  fetcher: Fetcher,
  pusher: Pusher,
  graph: Graph,
  options: GraphCopyOptions = {},
): Promise<CopiedContent[]> {
  const { signal } = options;
  const toTarget = <T>(work: () => Promise<T>) => blaming('target', pusher.place, work);
  await toTarget(async () => pusher.begin?.(graph, { signal }));
  const copied = new Map<Descriptor, CopiedContent['how']>(graph.leftOut.map(blob => [blob, 'left-out']));
  const atOnce = options.blobsAtOnce ?? blobsAtOnce;
  await inParallel(graph.blobs, atOnce, signal, async (blob, signal) => {
    const how = await copyBlob(fetcher, pusher, blob, { ...options, signal });
    copied.set(blob, how);
    options.onProgress?.({ blob, taken: blob.size, how });
  });
  const push = async (manifest: Graph['root'], signal: AbortSignal | undefined) => {
    copied.set(manifest.descriptor, await toTarget(() => pusher.pushManifest(manifest, { signal })));
  };
  const rest = graph.manifests.filter(manifest => manifest !== graph.root);
  const [indexes, images] = [
    rest.filter(({ content }) => content.kind === 'index'),
    rest.filter(({ content }) => content.kind === 'manifest'),
  ];
  await inParallel(images, atOnce, signal, push);
  // An index may name another.
  await inParallel([...indexes, graph.root], 1, signal, push);
  const order = [...graph.blobs, ...graph.leftOut, ...graph.manifests.map(({ descriptor }) => descriptor)];
  return order.map(descriptor => ({ descriptor, how: copied.get(descriptor)! }));
}

async function copyBlob(
  fetcher: Fetcher,
  pusher: Pusher,
  blob: Descriptor,
  { signal, onProgress }: GraphCopyOptions,
): Promise<Transferred> {
  const content = new ResumableContent(
    offset => readBlob(fetcher, blob, offset, signal),
    blob,
    `blob ${blob.digest}`,
  );
  // Whoever sends the content may report the failure of the stream as its own.
  let failure: unknown;
  const open = (offset: number) => {
    failure = undefined;
    return blamingStream('source', fetcher.place, content.open(offset), error => {
      failure = error;
    });
  };
  try {
    return await pusher.pushBlob(blob, open, {
      signal,
      onProgress: taken => onProgress?.({ blob, taken }),
    });
  } catch (error) {
    throw failure ?? blame(error, 'target', pusher.place);
  }
}

/** The descriptor's own data where it has some: then the blob need not even be there. */
async function* readBlob(
  fetcher: Fetcher,
  blob: Descriptor,
  offset: number,
  signal: AbortSignal | undefined,
): Bytes {
  if (blob.data === undefined) yield* fetcher.openBlob(blob, offset, { signal });
  else yield Buffer.from(blob.data, 'base64').subarray(offset);
}
