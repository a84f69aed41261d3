import { type Descriptor, formatPlatform } from '../oci/index.ts';
import { ArchiveError } from './error.ts';
import { mayBeImage } from './walk.ts';

/** What an entry of index.json is called: by the specification's annotation, then by containerd's. */
export function entryNames({ annotations }: Descriptor): string[] {
  const names = [annotations['org.opencontainers.image.ref.name'], annotations['io.containerd.image.name']];
  return [...new Set(names.filter(name => name !== undefined && name !== ''))] as string[];
}

/**
 * The entries of index.json that a tag means, or all of the layout's only image when there is no tag. Several entries
 * come back only if they are one image for several platforms. A tag is an entry's whole name or what follows its
 * colon, whole names first. ArchiveError `not-found` or, if it could mean several images, `invalid`; both list the tags.
 */
export function selectEntries(
  entries: readonly Descriptor[],
  tag: string | undefined,
  where: string,
): Descriptor[] {
  const images = entries.filter(mayBeImage);
  const tags = [...new Set(images.flatMap(entryNames))];
  const detail = { tags: tags.slice(0, 50), tag };
  const list = tags.length === 0 ? 'it has no tags' : `its tags are ${listSome(tags)}`;
  if (tag === undefined) {
    if (images.length === 0) throw new ArchiveError('not-found', `${where} holds no image`, { detail });
    if (isOneImage(images)) return images;
    const digests = listSome(images.map(({ digest }) => digest));
    const hint = tags.length === 0 ? `choose one with @DIGEST: ${digests}` : `choose one with :TAG; ${list}`;
    throw new ArchiveError('invalid', `${where} holds ${images.length} images`, { detail, hint });
  }
  let found = images.filter(entry => entryNames(entry).includes(tag));
  if (found.length === 0)
    found = images.filter(entry => entryNames(entry).some(name => name.endsWith(`:${tag}`)));
  if (found.length === 0) {
    throw new ArchiveError('not-found', `${where} has no image ${JSON.stringify(tag)}`, {
      detail,
      hint: list,
    });
  }
  if (isOneImage(found)) return found;
  throw new ArchiveError(
    'invalid',
    `${where} has ${found.length} images that ${JSON.stringify(tag)} could mean`,
    {
      detail,
      hint: `choose one with @DIGEST: ${listSome(found.map(({ digest }) => digest))}`,
    },
  );
}

/** True if the entries are the same blob, or have the same names and each a platform of its own. */
function isOneImage(entries: readonly Descriptor[]): boolean {
  const [first] = entries;
  if (entries.every(({ digest }) => digest === first!.digest)) return true;
  const names = new Set(entries.map(entry => entryNames(entry).join('\n')));
  const platforms = new Set(
    entries.map(({ platform }) => platform && formatPlatform(platform) + platform.osVersion),
  );
  return names.size === 1 && !platforms.has(undefined) && platforms.size === entries.length;
}

/** For messages: the first fifty. */
export function listSome(names: readonly string[]): string {
  const more = names.length > 50 ? ` and ${names.length - 50} more` : '';
  return names.slice(0, 50).join(', ') + more;
}
