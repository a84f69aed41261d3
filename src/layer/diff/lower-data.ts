import { isErrno, wrapErrno } from '../../error/index.ts';
import { Descent, shown } from '../../host/index.ts';
import { type ByteString, printable } from '../../tree/index.ts';
import { changed, readContent } from '../disk/content.ts';
import { type Facts, readFacts } from '../disk/facts.ts';
import { DiffError } from './error.ts';
import type { Pair, PairOptions } from './pairs.ts';

/** The content of a file of which an upper directory has the metadata alone (`metacopy`). */
export interface LowerData extends Disposable {
  readonly content: Iterable<Uint8Array>;
}

/**
 * Finds where the bytes of a file are that are not in the upper directory: under its own name below, or where
 * `overlay.redirect` says (Documentation/filesystems/overlayfs.rst, "Metadata only copy up"). `undefined` if they are in the upper.
 * DiffError `unsupported` for a directory that was renamed below, and where nothing is known of what is below.
 */
export function openLowerData(
  pair: Pair,
  facts: Facts,
  { reading, older }: PairOptions,
): LowerData | undefined {
  const { namespace } = reading;
  if (namespace === undefined || facts.type !== 'file' || !facts.xattrs.has(`${namespace}metacopy`))
    return undefined;
  const { path } = pair;
  if (older === undefined || older === 'unknown') throw unreachable(path);
  const redirect = facts.xattrs.get(`${namespace}redirect`);
  const names = resolve(path, redirect && Buffer.from(redirect).toString('latin1'));
  const name = names.pop()!;
  const descent = Descent.open(older);
  try {
    for (const each of names) descent.enter(each);
    const data = readFacts(descent, name);
    if (data?.type !== 'file' || data.size !== facts.size) throw changed(path);
    return {
      content: readContent(descent, name, data, path),
      [Symbol.dispose]: () => descent[Symbol.dispose](),
    };
  } catch (error) {
    descent[Symbol.dispose]();
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw unreachable(path, error);
    throw wrapErrno(error, `cannot read ${shown(path)}`);
  }
}

/** An absolute path begins at the lower's root; anything else is a name in the same directory. */
function resolve(path: ByteString, redirect: ByteString | undefined): ByteString[] {
  const isName = (name: ByteString) => name !== '' && name !== '.' && name !== '..';
  if (redirect?.startsWith('/')) return redirect.split('/').filter(isName);
  const names = path.split('/');
  return redirect === undefined ? names : [...names.slice(0, -1), redirect];
}

function unreachable(path: ByteString, cause?: unknown): DiffError {
  return new DiffError(
    'unsupported',
    `${shown(path)} has no content of its own (overlay.metacopy), and none below`,
    {
      cause,
      detail: { path: printable(path) },
      hint: 'what was below the directory must be there; metacopy=off keeps contents together',
    },
  );
}
