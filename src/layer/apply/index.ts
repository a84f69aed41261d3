/**
 * A layer applied onto a directory:
 *
 *     archive ─► stage ─► entries, and their files in a private directory of the target's filesystem
 *                           │
 *                           ├─ links   what hardlinks name below, kept before it goes
 *                           ├─ hits    what whiteouts and opaque markers hit: looked up, then deleted
 *                           ├─ entries in stream order, each made in private and renamed to its name
 *                           └─ finish  directories' metadata, the innermost first
 *
 * This is the merge (`src/merge/`) with a disk for its tree. The archive is read to its end before anything happens, for
 * a layer's whiteouts come before its entries wherever they stand, and a hardlink may name what they delete; memory is
 * linear in the entries, contents go straight to the disk they stay on.
 *
 * **Nothing leads out.** The target is opened once. From there every step is one name in an open directory, never through a
 * symlink (`Descent`); the layer's and the image's symlinks are resolved here, name by name, and `..` stops at the root
 * (`walk`). Nothing that stands in the target is opened, written to or given metadata, but directories, through their own
 * descriptors: files come by rename.
 *
 * **What is below** (`View`): a `plain` target holds the layers below itself. Any other holds one layer, over a directory
 * that shows those below merged, over nothing, or over what nobody knows yet. With the directory the result is exact:
 * parents without an entry are copied up, symlinks below are followed, a hardlink to a file below copies that up under both
 * names (its other names below stay what they are), an opaque root deletes each name. Where it is not known, markers
 * and parents are taken at their word: that is right unless one of them is a symlink below, and `adoptParents` gives such parents
 * their metadata once it is known. A hardlink to a file below is then refused.
 */
export { adoptParents } from './adopt.ts';
export { applyLayer } from './apply.ts';
export type { AppliedLayer, ApplyOptions, ApplyTarget, Below } from './options.ts';
