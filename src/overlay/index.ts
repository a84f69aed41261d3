/**
 * OverlayFS's view of an image: each layer as a lower directory, one for each layer whatever is below it, and a *head* that
 * makes the stack mean what the merge contract says (ARCHITECTURE, "Merge semantics"). Nothing here does I/O.
 *
 *     layer's entries ──projectLayer──► tree of the layer ──┐
 *     layer's entries ──projectLayer──► tree of the layer ──┼─stackTrees──► what the kernel shows ─┐
 *                                                           …                                      ├─createHead──► head
 *     all layers ──merge──────────────────────────────────────► what the image is ─────────────────┘
 *
 * A layer's tree is a function of the layer alone, so that images share what they made of it. That cannot be exact: a parent
 * without an entry has the metadata of a directory below, which only the image knows; it may be a symlink there, and lead
 * elsewhere; a hardlink may name a file of another layer; OverlayFS reads an opaque root as any other. So the projection says
 * what it can, and the head, which belongs to the image, corrects the rest. It is found by comparison: the kernel's rules
 * are simulated, and each name that would come out otherwise than in the merged tree goes into the head. This makes the
 * result exact whatever the projection left out. For usual images the head is the root and nothing else.
 *
 * **Whiteouts** are 0:0 character devices, all names of a tree one inode. A directory that holds some has the xattr
 * `overlay.origin`, empty, as in an upper directory that was copied up: without it the kernel lists the whiteouts of a
 * directory that no layer below shares. In the head this is not needed, for what its whiteouts hide is below them.
 *
 * **Which layers.** The kernel merges all roots, opaque or not, refuses the same directory twice, and stacks 500. So layers under
 * an opaque root, layers that come again and layers without entries are not stacked, and of too many the head takes the smallest.
 *
 * **Nothing else steers OverlayFS.** It follows redirects and (if told to) metacopy xattrs of lower layers too; layers have
 * none of its xattrs, since the normaliser drops them (rule 10), as it does 0:0 devices that are no whiteouts.
 *
 * **Hardlinks.** Names are one inode to the kernel if they are one in one lower. Where names of one inode come from
 * several layers, the head has all of them, and the content once more. `st_nlink` is the layer's own: it still counts
 * names that newer layers hide. That is not corrected, for it would take a copy of the content, and a container
 * engine's overlay shows the same; a count that is too high makes programs look twice, no more. A merged directory's is 1.
 */
export { createHead } from './head.ts';
export {
  hideMarkers,
  isMarker,
  isOpaque,
  isWhiteout,
  markOpaque,
  markOrigin,
  type OverlayXattrs,
  whiteout,
} from './marker.ts';
export {
  maximumLowers,
  type OverlayPlan,
  type OverlayPlanOptions,
  overlayPlan,
  stackPlan,
} from './plan.ts';
export { type ProjectOptions, projectLayer } from './projection.ts';
export { type Stacked, stackTrees } from './stack.ts';
export { treeOfStack } from './stack-tree.ts';
