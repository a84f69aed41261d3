import type { WhiteoutForm } from '../../layer/form.ts';
import type { LayerApplyOptions } from '../apply.ts';
import type { Mount } from '../mount.ts';
import type { SnapshotKind, Usage } from '../snapshotter.ts';
import type { DriverName } from './known-settings.ts';

export { type DriverName, driverNames } from './known-settings.ts';

/** A snapshot as a driver knows it: numbers, never names. A number is never used again. */
export interface DriverSnapshot {
  readonly id: number;
  readonly kind: SnapshotKind;
  /** Ids of the committed snapshots below, nearest first. */
  readonly parents: readonly number[];
  /** Of one that is committed: it was created without these parents, and what was applied to it could not know them. */
  readonly rebased?: boolean | undefined;
  /**
   * `layer`: it was prepared to have a layer applied to it, and be committed. Its mounts must be right all the same, but a driver that has to work for
   * good ones need not do that work for each layer of an image.
   */
  readonly purpose?: 'layer' | undefined;
}

/** A layer that somebody else has made in the form that a driver keeps layers in. */
export interface LayerFile {
  readonly path: string;
}

/** A directory into which a layer is to be applied. Disposing it unmounts what had to be mounted for it. */
export interface ApplyTarget extends AsyncDisposable {
  readonly path: string;
  readonly form: WhiteoutForm;
  /** All that is below, as one directory to be read; `undefined` where there is nothing, or the target has it all. */
  readonly below: string | undefined;
}

/** What an active (or committed) snapshot has changed, as directories. Disposing it unmounts what had to be mounted. */
export type ChangeSource = AsyncDisposable &
  (
    | {
        readonly kind: 'upper';
        readonly path: string;
        readonly form: Exclude<WhiteoutForm, 'plain'>;
        /** All that is below, as one directory; `undefined` where there is nothing. */
        readonly lower: string | undefined;
      }
    | { readonly kind: 'directories'; readonly older: string | undefined; readonly newer: string }
  );

/** Whether this machine can use a driver in a directory: found out by trying. */
export type Support =
  | { readonly usable: true; readonly note?: string | undefined }
  | { readonly usable: false; readonly reason: string; readonly hint: string };

/**
 * Keeps snapshots' contents, in a directory of its own. `Snapshots` calls it, keeps the tree of names, and sees to it that calls come in an order
 * that makes sense: `create` once for an id, `commit` once it is written (again after a crash in between), `remove` as often as it takes.
 * Every method can be cut short by a crash at any point; `remove` then clears up whatever is there.
 * SnapshotErrors and HostErrors.
 */
export interface Driver extends AsyncDisposable {
  readonly name: DriverName;
  /** Makes an active snapshot's or a view's place. */
  create(snapshot: DriverSnapshot, signal?: AbortSignal): Promise<void>;
  /** How to mount it. Brings back what a reboot has unmounted. */
  mounts(snapshot: DriverSnapshot): Promise<readonly Mount[]>;
  /** What it takes of the disk. */
  usage(snapshot: DriverSnapshot): Promise<Usage>;
  /**
   * Makes an active snapshot fit to be a parent, durably: when this returns, no power cut takes anything of it back. `snapshot.parents` are those it
   * will have; they differ from those of `create` only if that had none (`rebased`). Idempotent.
   */
  commit(snapshot: DriverSnapshot, signal?: AbortSignal): Promise<Usage>;
  /** Whatever there is of it; nothing there is success. */
  remove(id: number): Promise<void>;
  /** The ids that have a place, whether or not they should. */
  list?(): Promise<readonly number[]>;
  /** Whose mounts these are, by the places that they name; `undefined` if they are none of ours. */
  identify(mounts: readonly Mount[]): number | undefined;
  /** Where a layer of this active snapshot goes. */
  openTarget(snapshot: DriverSnapshot): Promise<ApplyTarget>;
  /** What it has changed against its parents. */
  openChanges(snapshot: DriverSnapshot): Promise<ChangeSource>;
  /**
   * Takes a layer as a whole instead of entry by entry, where the driver has a better way than a directory. `archive` is the
   * uncompressed tar, read once to its end by whoever takes it.
   */
  applyLayer?(
    snapshot: DriverSnapshot,
    archive: AsyncIterable<Uint8Array>,
    options: LayerApplyOptions,
  ): Promise<void>;
  /**
   * Takes a layer that is a file in the driver's own form (`layerForm`), by a link where that can be: the file never changes again. The caller vouches for it, and
   * that it shows right on the snapshot's parents. `conflict` if something was written to the snapshot.
   */
  adoptLayer?(snapshot: DriverSnapshot, file: LayerFile): Promise<void>;
  /** What `adoptLayer` takes: `erofs-layer` is what `src/stack` makes of a layer, for overlays of root. */
  readonly layerForm?: 'erofs-layer' | undefined;
  /** Whether a snapshot that was created without a parent may be given one when it is committed. */
  readonly canRebase: boolean;
}

/** What a driver is made of. */
export interface DriverOptions {
  /** A directory of the driver's own, absolute; made if it is not there. Kept short: hundreds of such paths go into one mount. */
  readonly root: string;
  /** The driver's own settings, by name, as `--driver-option NAME=VALUE` gives them; an unknown one is `invalid`. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
}

/** A module of `driver/`: probing costs some milliseconds and leaves nothing behind. */
export interface DriverFactory {
  probe(options: DriverOptions): Promise<Support>;
  open(options: DriverOptions): Promise<Driver>;
}
