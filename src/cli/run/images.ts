import { type CachedImage, listImages } from '../../engine/cache/list-images.ts';
import { formatColumns } from '../columns.ts';
import type { Invocation } from '../command/index.ts';
import { print, printJson, safe } from '../output.ts';
import { formatAge, formatBytes } from '../quantity.ts';
import { familiar, shortDigest } from '../reference.ts';

export async function run({ values, signal }: Invocation): Promise<number> {
  const images = await listImages({ root: values.root, signal });
  if (values.json) printJson({ images });
  else if (values.quiet) print([...new Set(images.map(({ reference }) => `${safe(reference)}\n`))].join(''));
  else print(`${formatImages(images, { full: values.digests === true, now: Date.now() }).join('\n')}\n`);
  return 0;
}

/** The table of images; `now` in milliseconds. */
export function formatImages(
  images: readonly CachedImage[],
  { full, now }: { readonly full: boolean; readonly now: number },
): string[] {
  const rows = images.map(({ reference, platform, digest, size, artifacts, pulled }) => [
    safe(full ? reference : familiar(reference)),
    safe(platform),
    safe(full ? digest : shortDigest(digest)),
    formatBytes(size),
    describeArtifacts(artifacts),
    formatAge(Date.parse(pulled), now),
  ]);
  const head = ['REFERENCE', 'PLATFORM', 'DIGEST', 'SIZE', 'ARTIFACTS', 'PULLED'];
  return formatColumns([head, ...rows], { right: [3] });
}

/** One of each format: of layers there are many. */
function describeArtifacts(artifacts: CachedImage['artifacts']): string {
  const sums = new Map<string, number>();
  for (const { format, bytes } of artifacts) sums.set(format, (sums.get(format) ?? 0) + bytes);
  return [...sums].map(([format, bytes]) => `${safe(format)} ${formatBytes(bytes)}`).join(', ') || '-';
}
