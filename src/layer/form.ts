/**
 * How a directory says what its layer deletes from those below:
 *
 * - `plain`: not at all. The directory holds all layers together, so a whiteout deletes.
 * - `overlay`: as the kernel's OverlayFS: character devices 0:0, and `trusted.overlay.opaque` = `y`.
 * - `overlay-user`: the same with `user.overlay.opaque`, for mounts with `userxattr` in a user namespace.
 * - `fuse-overlayfs`: 0:0 devices where they may be made and files `.wh.NAME` where not; `user.fuseoverlayfs.opaque` or `.wh..wh..opq`. Both are read.
 * - `aufs`: files `.wh.NAME` and `.wh..wh..opq`, as in the layer itself.
 */
export type WhiteoutForm = 'plain' | 'overlay' | 'overlay-user' | 'fuse-overlayfs' | 'aufs';
