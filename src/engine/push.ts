import { ShaleError } from '../error/index.ts';
import { formatReference, parseSource, parseTarget, type Source, type Target } from '../oci/index.ts';
import { type CopyOptions, type CopyResult, copyBetween } from './copy.ts';

export interface PushResult extends CopyResult {
  /** The name that it has in the registry now, in full. */
  readonly reference: string;
}

/**
 * Uploads an image of the cache, by its reference, to the registry that its name says, or to `target`. An image may also
 * be a layout or an archive; then the target must be given. What is not in the cache is `not-found`: nothing is pulled.
 */
export async function push(
  image: string,
  target: string | undefined,
  options: CopyOptions = {},
): Promise<PushResult> {
  const parsed = parseSource(image);
  // What is in a registry already would have to be copied; to push is to upload what is here.
  const source: Source = parsed.kind === 'registry' ? { ...parsed, kind: 'cache' } : parsed;
  const to = target === undefined ? ownTarget(source) : parseTarget(target);
  if (to.kind !== 'registry') {
    throw new ShaleError('invalid', `${to.text} is not in a registry, and push uploads to one`, {
      hint: `shale copy ${source.text} ${to.text}`,
    });
  }
  const result = await copyBetween(source, to, options);
  return { reference: formatReference(to.reference), ...result };
}

function ownTarget(source: Source): Target {
  if (source.kind === 'cache') return { kind: 'registry', text: source.text, reference: source.reference };
  throw new ShaleError('invalid', `${source.text} has no name in a registry`, {
    hint: `say where it goes: shale push ${source.text} REGISTRY/NAME:TAG`,
  });
}
