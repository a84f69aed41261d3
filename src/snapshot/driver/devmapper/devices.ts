import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { SnapshotError } from '../../error.ts';
import { runTool, type Tool } from '../tool.ts';
import { devicePath, dmsetup } from './dmsetup.ts';

/** Milliseconds, and how often, a device that is in use is waited for. */
const pause = 100;
const attempts = 10;

const discardTool: Tool = { program: 'blkdiscard', package: 'util-linux' };

/** A device of the kernel's that is there as long as it is needed. */
export interface BorrowedDevice extends AsyncDisposable {
  readonly path: string;
}

/** The pool's devices as the kernel shows them: `/dev/mapper/shale-TAG-ID`. A reboot takes them all; they are brought back when they are asked for. */
export class Devices {
  readonly #pool: string;
  readonly #tag: string;
  readonly #sectors: number;

  /** `sectors` is the size of all: at least that of the largest filesystem, since what is beyond a smaller one is never touched. */
  constructor(options: { readonly pool: string; readonly tag: string; readonly sectors: number }) {
    this.#pool = options.pool;
    this.#tag = options.tag;
    this.#sectors = options.sectors;
  }

  path(id: number): string {
    return devicePath(this.#name(id));
  }

  /** Of a path that `path` gave, whosever process asks. */
  idOf(path: string): number | undefined {
    const [, tag, id] = /^\/dev\/mapper\/shale-([0-9a-f]+)-([1-9][0-9]*)$/.exec(path) ?? [];
    return tag === this.#tag && id !== undefined ? Number(id) : undefined;
  }

  /** Sees to it that it is there. */
  async activate(id: number): Promise<string> {
    const path = this.path(id);
    if (existsSync(path)) return path;
    try {
      await this.#create(id, this.#name(id));
    } catch (error) {
      // Another process was faster.
      if (!existsSync(path)) throw error;
    }
    return path;
  }

  /** Takes it away; nothing there is success. SnapshotError `conflict` while it is mounted. */
  async deactivate(id: number): Promise<void> {
    if (!existsSync(this.path(id))) return;
    const doing = `deactivate the device of the snapshot ${id}`;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await dmsetup(['remove', '--verifyudev', this.#name(id)], { doing });
        return;
      } catch (error) {
        if (!(error instanceof SnapshotError) || error.code !== 'conflict') throw error;
        if (attempt === attempts) throw error;
      }
      // What was just unmounted takes a moment to go, and udev(7) may be looking at it.
      await sleep(pause);
    }
  }

  /** Whether somebody has it open: it is mounted. */
  async isOpen(id: number): Promise<boolean> {
    const words = ['info', '--columns', '--noheadings', '-o', 'open', this.#name(id)];
    const count = await dmsetup(words, { doing: `look at the device of the snapshot ${id}` });
    return count.trim() !== '0';
  }

  /** The device under another name, to be read. It goes when nobody has it open any more; disposing it says that nobody else will open it. */
  async borrow(id: number): Promise<BorrowedDevice> {
    const name = `shale-${this.#tag}-r${id}-${randomBytes(4).toString('hex')}`;
    await this.#create(id, name, ['--readonly']);
    return {
      path: devicePath(name),
      async [Symbol.asyncDispose]() {
        await dmsetup(['remove', '--verifyudev', '--deferred', name], {
          doing: `give the device ${name} back`,
        });
      },
    };
  }

  /** Makes all that was written to it durable, the pool's own metadata too. */
  async flush(id: number): Promise<void> {
    const fd = openSync(this.path(id), 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** Gives the blocks that nobody else has back to what is below the pool, which does not hear of it otherwise. Nothing there is success. */
  async discard(id: number): Promise<void> {
    try {
      await this.#create(id, this.#name(id));
    } catch {
      return;
    }
    await runTool(discardTool, [this.path(id)], { doing: `discard the snapshot ${id}` }).catch(() => {});
    await this.deactivate(id);
  }

  async #create(id: number, name: string, options: readonly string[] = []): Promise<void> {
    const table = `0 ${this.#sectors} thin ${devicePath(this.#pool)} ${id}`;
    const words = ['create', '--verifyudev', ...options, name, '--table', table];
    await dmsetup(words, { doing: `activate the device of the snapshot ${id}` });
  }

  #name(id: number): string {
    return `shale-${this.#tag}-${id}`;
  }
}
