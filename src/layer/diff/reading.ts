import { readNames, readXattr } from '../../host/index.ts';
import type { ByteString } from '../../tree/index.ts';
import type { Facts } from '../disk/facts.ts';
import type { WhiteoutForm } from '../form.ts';
import { isZeroDevice, marksOf, type Place } from '../mark/index.ts';
import { isOverlayXattr } from '../normalise.ts';

/** A name of the newer directory, or one that it deletes. */
export interface Listed {
  readonly name: ByteString;
  readonly deleted: boolean;
}

/** How a newer directory says what is different from the older one. Throws as `fs` does. */
export interface Reading {
  /** In byte order, each name once. `older` is the same directory there, if it has one. */
  list(newer: Place, older: Place | undefined): Listed[];
  /** What a listed name turns out to be at a closer look. */
  judge(facts: Facts, newer: Place): 'entry' | 'deleted' | 'left-out';
  /** The directory hides all that the older one has in it. */
  isOpaque(newer: Place): boolean;
  /** Nobody knows the directory's metadata (`Below`). */
  isImplied(newer: Place): boolean;
  /** Xattrs that are no metadata. */
  isOwnXattr(name: ByteString): boolean;
  /** What its own xattrs begin with, if the kernel writes them. */
  readonly namespace: ByteString | undefined;
}

/** Two whole directories: what the newer one has not, it has deleted. */
export const comparison: Reading = {
  list(newer, older) {
    const names = readNames(newer.at('.'));
    const present = new Set(names);
    const gone = older === undefined ? [] : readNames(older.at('.')).filter(name => !present.has(name));
    return sortNames([
      ...names.map(name => ({ name, deleted: false })),
      ...gone.map(name => ({ name, deleted: true })),
    ]);
  },
  judge: judgeDevice,
  isOpaque: () => false,
  isImplied: () => false,
  isOwnXattr: isOverlayXattr,
  namespace: undefined,
};

const namespaces = { overlay: 'trusted.overlay.', 'overlay-user': 'user.overlay.' } as const;

/** A directory that holds what has changed, and marks in one of the forms. */
export function upperReading(form: Exclude<WhiteoutForm, 'plain'>): Reading {
  const marks = marksOf(form);
  const namespace = form === 'overlay' || form === 'overlay-user' ? namespaces[form] : undefined;
  return {
    list(newer) {
      const listed = new Map<ByteString, Listed>();
      for (const name of readNames(newer.at('.'))) {
        const mark = marks.readName(name);
        if (mark === undefined) listed.set(name, { name, deleted: false });
        else if (mark.kind === 'whiteout' && !listed.has(mark.name))
          listed.set(mark.name, { name: mark.name, deleted: true });
      }
      return sortNames([...listed.values()]);
    },
    judge(facts, newer) {
      if (marks.isWhiteout(facts.stats)) return 'deleted';
      if (namespace !== undefined && isXattrWhiteout(facts, newer, namespace)) return 'deleted';
      return judgeDevice(facts);
    },
    isOpaque: newer => marks.isOpaque(newer),
    isImplied: newer => marks.isImplied(newer),
    isOwnXattr: name => marks.isOwnXattr(name) || isOverlayXattr(name),
    namespace,
  };
}

/** Linux 6.7: an empty file with `overlay.whiteout`, in a directory whose `overlay.opaque` is `x`. */
function isXattrWhiteout({ type, size, xattrs }: Facts, newer: Place, namespace: ByteString): boolean {
  if (type !== 'file' || size !== 0 || !xattrs.has(`${namespace}whiteout`)) return false;
  const opaque = readXattr(newer.at('.'), `${namespace}opaque`);
  return opaque?.length === 1 && opaque[0] === 0x78;
}

/** Rule 10 of the merge: no layer holds a 0:0 device that is none of ours. */
function judgeDevice({ stats }: Facts): 'entry' | 'left-out' {
  return isZeroDevice(stats) ? 'left-out' : 'entry';
}

function sortNames(listed: Listed[]): Listed[] {
  return listed.sort((a, b) => (a.name < b.name ? -1 : 1));
}
