import type { Graph } from '../../content/index.ts';
import { parseReference, requireImage } from '../../oci/index.ts';
import { ArchiveError } from '../error.ts';
import { blobName } from '../walk.ts';
import { fullNameAnnotation, nameAnnotation } from './entry.ts';

/**
 * manifest.json as `docker save` writes it since version 25: `Config` and `Layers` point into the layout beside it. There
 * is no `repositories` file; nothing since Docker 1.10 needs it. `name` is a reference in full.
 */
export function formatManifestJson({ root, referrers }: Graph, name: string | undefined): Buffer {
  const { content } = root;
  if (content.kind === 'index') {
    throw new ArchiveError(
      'unsupported',
      'a docker-archive holds images for one platform each, and no index',
      {
        hint: 'copy one platform only, or all of them to oci-archive:',
      },
    );
  }
  if (referrers.length > 0) {
    throw new ArchiveError('unsupported', 'a docker-archive holds no referrers', {
      hint: 'copy to oci-archive:',
    });
  }
  requireImage(content, `manifest ${root.descriptor.digest}`);
  const saved = {
    Config: blobName(content.config.digest),
    RepoTags: name === undefined ? null : [shorten(name)],
    Layers: content.layers.map(({ digest }) => blobName(digest)),
  };
  return Buffer.from(JSON.stringify([saved]));
}

/** What the layout's entry is called in such an archive. */
export function savedAnnotations(name: string | undefined): Readonly<Record<string, string>> {
  if (name === undefined) return {};
  const { tag = 'latest' } = parseReference(name);
  return { [fullNameAnnotation]: name, [nameAnnotation]: tag };
}

/** As Docker shows references: without its own registry, and without `library`. */
function shorten(name: string): string {
  return name.replace(/^docker\.io\/(?:library\/(?=[^/]*$))?/, '');
}
