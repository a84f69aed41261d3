import { inUserNamespace, readXattrs } from '../../host/index.ts';
import { byteString } from '../../tree/index.ts';
import { SnapshotError } from '../error.ts';
import type { Mount } from '../mount.ts';
import { escapePath } from '../overlay-options.ts';
import type { Driver, DriverFactory, DriverOptions } from './driver.ts';
import type { Feature } from './kept-features.ts';
import { Places } from './places.ts';
import { probeOverlay } from './probe-overlay.ts';
import { readSettings } from './settings.ts';
import { type StackedDirectories, StackedDriver, type Stacker } from './stacked-driver.ts';

/**
 * Layers as directories, stacked by the kernel.
 *
 * Options, and why: `index=off`, for a lower directory is shared by many uppers, which an index would take for a mistake. `redirect_dir=nofollow`:
 * a directory that is renamed is copied (programs do that on EXDEV), since a redirect means nothing in a layer, and one in a layer must steer nothing.
 * `metacopy=off`, for the same reason: a change of mode copies the file up. Both can be turned on: `diff` finds such files' contents below, and
 * whatever is on top of such a layer is mounted with the same.
 *
 * A snapshot without a parent is an overlay over nothing, no bind mount: whoever applies a layer through its mounts then keeps what the
 * layer deletes, and it can be put onto a parent later. What is made in it through the mount before Linux 5.14 is not fit for that: the kernel marks new directories
 * in its root as opaque, as if they were to hide what the parent has there.
 */
class Overlay implements Stacker {
  readonly form: 'overlay' | 'overlay-user';
  readonly features: readonly Feature[];

  constructor(form: 'overlay' | 'overlay-user', features: readonly Feature[]) {
    this.form = form;
    this.features = features;
  }

  show({ kind, upper, work, lowers, empty, features }: StackedDirectories): readonly Mount[] {
    // Over nothing there is nothing to refer to; and with such features the kernel makes new directories opaque.
    const marks = this.#marks(lowers.length > 0 ? features : []);
    const options = ['index=off', ...marks];
    if (kind === 'view') {
      const seen = this.#cut(lowers);
      if (seen.length === 0) return [{ type: 'bind', source: empty, options: ['ro', 'rbind'] }];
      // Over nothing, for a layer as it lies there shows its whiteouts.
      return [mount(...options, 'ro', stack(seen.length > 1 ? seen : [...seen, empty]))];
    }
    const seen = this.#hidesAll(upper) ? [] : this.#cut(lowers);
    if (features.includes('volatile')) options.push('volatile');
    const own = [`workdir=${escapePath(work)}`, `upperdir=${escapePath(upper)}`];
    return [mount(...options, ...own, stack(seen.length > 0 ? seen : [empty]))];
  }

  /** How marks in layers are taken, and whether new ones are made. */
  #marks(features: readonly Feature[]): readonly string[] {
    if (this.form === 'overlay-user') return ['userxattr'];
    const metacopy = features.includes('metacopy');
    // A file that was moved after its metadata was copied up is found by a redirect.
    const redirects = metacopy || features.includes('redirect_dir');
    return [`redirect_dir=${redirects ? 'on' : 'nofollow'}`, `metacopy=${metacopy ? 'on' : 'off'}`];
  }

  /** The kernel does not ask whether a root is opaque, so what is under one is left out. */
  #cut(lowers: readonly string[]): readonly string[] {
    const lowest = lowers.findIndex(lower => this.#hidesAll(lower));
    return lowest < 0 ? lowers : lowers.slice(0, lowest + 1);
  }

  #hidesAll(directory: string): boolean {
    const name = this.form === 'overlay' ? 'trusted.overlay.opaque' : 'user.overlay.opaque';
    return readXattrs(byteString(directory)).get(name)?.[0] === 0x79;
  }
}

function mount(...options: readonly string[]): Mount {
  return { type: 'overlay', source: 'overlay', options };
}

function stack(lowers: readonly string[]): string {
  return `lowerdir=${lowers.map(escapePath).join(':')}`;
}

export const overlayfs: DriverFactory = {
  probe: options => probeOverlay(options.root),
  async open(options: DriverOptions): Promise<Driver> {
    const { redirect_dir, metacopy, volatile, userxattr } = readSettings('overlayfs', options);
    const isUser = userxattr === 'auto' ? inUserNamespace() : userxattr === 'on';
    const wanted: readonly Feature[] = [
      ...(redirect_dir === 'on' ? ['redirect_dir' as const] : []),
      ...(metacopy === 'on' ? ['metacopy' as const] : []),
    ];
    if (isUser && wanted.length > 0) {
      throw new SnapshotError('unsupported', `${wanted.join(' and ')} cannot be on with userxattr`, {
        detail: { driver: 'overlayfs', settings: wanted },
        hint: 'the kernel believes such marks in trusted.* attributes alone, which take root outside of a user namespace',
      });
    }
    const overlay = new Overlay(isUser ? 'overlay-user' : 'overlay', [
      ...wanted,
      ...(volatile === 'on' ? ['volatile' as const] : []),
    ]);
    return new StackedDriver('overlayfs', new Places(options.root), overlay);
  },
};
