/** A name with the digest that it stands for, and without its tag: `docker.io/library/nginx@sha256:…`. */
export function pinned(reference: string, digest: string): string {
  const [name = ''] = reference.split('@');
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1);
  return `${colon === -1 ? name : name.slice(0, colon)}@${digest}`;
}

/** As people write it: without what Docker adds by itself. */
export function familiar(reference: string): string {
  return reference.replace(/^docker\.io\/(library\/)?/, '');
}

/** The start of a digest, by which people know it. */
export function shortDigest(digest: string): string {
  return digest.replace(/^sha256:/, '').slice(0, 12);
}
