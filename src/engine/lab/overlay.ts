import { join } from 'node:path';

export type { LabStep } from '../../lab/index.ts';

import { HostError, isRoot, type MountNamespace, openMountNamespace, openScratch } from '../../host/index.ts';
import { LabError, type LabStep, type OverlayTerms, overlaySteps } from '../../lab/index.ts';

export interface OverlayLabOptions {
  /** The scratch directory stays, with what is in it; nothing stays mounted. */
  readonly keep?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A command line that was run, and what came of it. */
export interface LabOutcome {
  readonly command: string;
  readonly status: number;
  /** What it wrote to both of its outputs, as text. */
  readonly output: string;
}

/** A lab that is open: its namespace, and its scratch directory. Disposing it leaves neither mounts nor, unless it is kept, files. */
export interface OverlayLab extends AsyncDisposable {
  /** The scratch directory, where all commands run. */
  readonly directory: string;
  /** Whether it is in a user namespace, without privilege. */
  readonly rootless: boolean;
  readonly steps: readonly LabStep[];
  /**
   * Runs the commands of the next step, one after the other. LabError `unsupported` when one ends otherwise than the step says; what it
   * wrote has been yielded before.
   */
  run(step: LabStep): AsyncGenerator<LabOutcome, void, undefined>;
  /** A shell in the namespace, for whoever sits at the terminal; resolves when it has ended. */
  openShell(): Promise<void>;
}

/** The steps as they are for whoever calls, without running any. */
export function listOverlaySteps(): readonly LabStep[] {
  return overlaySteps({ rootless: !isRoot(), tmpfs: false });
}

/**
 * Opens a lab for OverlayFS: as root in a mount namespace, otherwise in a user namespace, too. HostError `denied` where neither can be had, LabError
 * `unsupported` where the kernel mounts no overlay in it. Scratch directories of labs that were killed are removed.
 */
export async function openOverlayLab({ keep = false, signal }: OverlayLabOptions = {}): Promise<OverlayLab> {
  if (process.platform !== 'linux') {
    throw new LabError('unsupported', 'OverlayFS is a filesystem of Linux', {
      hint: 'run the lab on Linux, or in a virtual machine with it',
    });
  }
  await using stack = new AsyncDisposableStack();
  const scratch = stack.use(openScratch('overlay-lab', { mayKeep: keep }));
  const namespace = stack.use(await openNamespace(signal));
  const directory = scratch.path;
  const terms = await prepare(namespace, directory, { keep, signal });
  await makeCommand(namespace, directory);
  if (keep) scratch.keep();
  return new OpenLab({ namespace, directory, terms, signal, stack: stack.move() });
}

async function openNamespace(signal: AbortSignal | undefined): Promise<MountNamespace> {
  if (!isRoot()) return await openMountNamespace({ rootless: true, signal });
  try {
    return await openMountNamespace({ rootless: false, signal });
  } catch (error) {
    // Root of a container often lacks the privilege, and may still have user namespaces.
    if (!(error instanceof HostError) || error.code !== 'denied') throw error;
    return await openMountNamespace({ rootless: true, signal }).catch(() => Promise.reject(error));
  }
}

/** In the scratch directory, and in the search path of all that runs there. */
const programs = '.bin';
const shale = join(import.meta.dirname, '..', '..', '..', 'bin', 'shale.js');

/** Sees to it that `shale` is us, not one that is installed, or none. */
async function makeCommand(namespace: MountNamespace, directory: string): Promise<void> {
  const { status, output } = await namespace.run(
    `mkdir ${programs} && ln -s '${shale.replaceAll("'", `'\\''`)}' ${programs}/shale`,
    { directory },
  );
  if (status !== 0) throw new LabError('internal', `cannot link to ${shale}: ${textOf(output)}`);
}

/** Exit status of a trial that lacks a program. */
const lacking = 3;

/** What the lab cannot do without, tried in a directory of its own: a writable overlay that marks a directory as opaque. */
const trial = (rootless: boolean) =>
  [
    `for program in mount umount getfattr setfattr mknod stat find tar; do command -v $program > /dev/null || { echo "there is no program $program"; exit ${lacking}; }; done`,
    'mkdir trial && cd trial && mkdir -p lower/directory upper work merged',
    `mount -t overlay overlay -o ${rootless ? 'userxattr,' : ''}lowerdir=lower,upperdir=upper,workdir=work merged`,
    'rmdir merged/directory && mkdir merged/directory',
    `getfattr -n ${rootless ? 'user' : 'trusted'}.overlay.opaque upper/directory > /dev/null`,
    'umount merged && cd .. && rm -r trial',
  ].join(' && ');

const undo = 'umount trial/merged 2> /dev/null; rm -rf trial';

interface PrepareOptions {
  readonly keep: boolean;
  readonly signal: AbortSignal | undefined;
}

/** Finds out by trying which overlays the namespace can have; mounts a tmpfs over the scratch directory if that takes it. */
async function prepare(
  namespace: MountNamespace,
  directory: string,
  { keep, signal }: PrepareOptions,
): Promise<OverlayTerms> {
  const run = async (line: string) => await namespace.run(line, { directory, signal });
  const complaints: string[] = [];
  // Root may be that of a user namespace around us.
  for (const rootless of namespace.rootless ? [true] : [false, true]) {
    // What is to be kept must be on the disk.
    for (const tmpfs of keep ? [false] : [false, true]) {
      if (tmpfs && (await run('mount -t tmpfs -o mode=0700 tmpfs "$PWD"')).status !== 0) continue;
      const { status, output } = await run(trial(rootless));
      if (status === 0) return { rootless, tmpfs };
      complaints.push(textOf(output).trim().replace(/\s+/g, ' '));
      if (status === lacking) throw lacksProgram(complaints[0]!);
      await run(undo);
      if (tmpfs) await run('cd .. && umount "$OLDPWD"');
    }
  }
  throw new LabError('unsupported', `no writable overlay can be mounted here: ${complaints[0]}`, {
    detail: { directory, rootless: namespace.rootless },
    hint: namespace.rootless
      ? 'without root this takes Linux 5.11, and a TMPDIR on a filesystem with extended attributes; or run it as root'
      : 'it takes OverlayFS in the kernel (modprobe overlay), and a TMPDIR on a filesystem like ext4, xfs or btrfs, not on an overlay or NFS',
  });
}

function lacksProgram(message: string): LabError {
  return new LabError('not-found', message, {
    hint: 'install it: getfattr and setfattr are in the package attr, the others in util-linux, coreutils, findutils and tar',
  });
}

class OpenLab implements OverlayLab {
  readonly directory: string;
  readonly rootless: boolean;
  readonly steps: readonly LabStep[];
  readonly #namespace: MountNamespace;
  readonly #signal: AbortSignal | undefined;
  readonly #stack: AsyncDisposableStack;

  constructor(given: {
    readonly namespace: MountNamespace;
    readonly directory: string;
    readonly terms: OverlayTerms;
    readonly signal: AbortSignal | undefined;
    readonly stack: AsyncDisposableStack;
  }) {
    this.directory = given.directory;
    this.rootless = given.terms.rootless;
    this.steps = overlaySteps(given.terms);
    this.#namespace = given.namespace;
    this.#signal = given.signal;
    this.#stack = given.stack;
  }

  async *run({ name, commands }: LabStep): AsyncGenerator<LabOutcome, void, undefined> {
    const { directory } = this;
    for (const { line, fails } of commands) {
      const { status, output } = await this.#namespace.run(line, {
        directory,
        programs: join(directory, programs),
        signal: this.#signal,
      });
      yield { command: line, status, output: textOf(output) };
      if ((status !== 0) === (fails === true)) continue;
      const how = fails ? 'was not refused' : `ended with status ${status}`;
      throw new LabError(
        'unsupported',
        `step ${name}: the command ${how}, which the lab did not expect: ${line}`,
        {
          detail: { step: name, command: line, status, output: textOf(output) },
          hint: 'this machine differs from what the step says; what it printed says how',
        },
      );
    }
  }

  async openShell(): Promise<void> {
    const { directory } = this;
    await this.#namespace.openShell({ directory, programs: join(directory, programs) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function textOf(output: Buffer): string {
  return output.toString('utf8');
}
