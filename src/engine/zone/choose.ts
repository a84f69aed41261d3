import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ShaleError } from '../../error/index.ts';
import { findBoot } from '../../host/index.ts';
import type { Kernel } from '../../kernel/index.ts';
import {
  type Acceleration,
  type VmmDriver,
  type VmmName,
  type VmmProbe,
  vmmDriver,
} from '../../vmm/index.ts';
import type { RunRequest, VmmChoice } from './request.ts';

/** A hypervisor that works here. */
export interface ChosenVmm {
  readonly driver: VmmDriver;
  readonly probe: VmmProbe;
  readonly acceleration: Acceleration | undefined;
}

/** User-Mode Linux is never chosen unasked: it isolates less. */
const automatic: readonly VmmName[] = ['qemu', 'cloud-hypervisor', 'firecracker'];

const probesFile = 'hypervisors.json';

/** What a probe's result depends on; it is made again when one of these is another. */
interface KeptProbe {
  readonly boot: string | undefined;
  readonly kernel: string;
  /** Of the program: modification time and size. */
  readonly program: string;
  readonly probe: VmmProbe;
}

/** Finds out what works by trying, and keeps it in the cache until the host boots again or program or kernel change. */
export class VmmChooser {
  readonly #root: string;
  readonly #onNotice: (text: string) => void;

  constructor(root: string, onNotice: (text: string) => void = () => {}) {
    this.#root = root;
    this.#onNotice = onNotice;
  }

  /**
   * The hypervisor that is asked for, or the first that works. ShaleError `unsupported` or `not-found` that says what of each is missing.
   * `trial` gives a kernel and an initramfs to try acceleration with.
   */
  async choose(
    wanted: VmmChoice,
    acceleration: RunRequest['acceleration'],
    trial: (driver: VmmDriver) => Promise<{ readonly kernel: Kernel; readonly initramfs: string }>,
    signal?: AbortSignal,
  ): Promise<ChosenVmm> {
    const names = wanted === 'auto' ? automatic : [wanted];
    const reasons: string[] = [];
    let hint: string | undefined;
    for (const name of names) {
      const driver = await vmmDriver(name);
      const probe = await this.#probe(driver, acceleration, trial, signal);
      if (probe.usable) return { driver, probe, acceleration: this.#accelerate(driver, probe, acceleration) };
      reasons.push(`${name}: ${probe.reason ?? 'not usable'}`);
      hint ??= probe.hint;
    }
    throw new ShaleError('unsupported', `no hypervisor to run a zone with: ${reasons.join('; ')}`, {
      detail: { tried: names },
      ...((hint ?? '') !== '' && { hint: hint! }),
    });
  }

  #accelerate(
    { name }: VmmDriver,
    probe: VmmProbe,
    wanted: RunRequest['acceleration'],
  ): Acceleration | undefined {
    if (name !== 'qemu') return undefined;
    if (wanted === 'kvm' || wanted === 'tcg') return wanted;
    const found = probe.acceleration ?? 'tcg';
    if (found === 'tcg') {
      this.#onNotice(
        `KVM does not work here${probe.reason === undefined ? '' : ` (${probe.reason})`}: the zone is emulated, which is slow`,
      );
    }
    return found;
  }

  async #probe(
    driver: VmmDriver,
    acceleration: RunRequest['acceleration'],
    trial: (driver: VmmDriver) => Promise<{ readonly kernel: Kernel; readonly initramfs: string }>,
    signal: AbortSignal | undefined,
  ): Promise<VmmProbe> {
    const { kernel, initramfs } = await trial(driver);
    // One that was told how to accelerate needs no trial, and what it finds is not kept.
    const trying = driver.name !== 'uml' && (acceleration ?? 'auto') === 'auto';
    const key = `${driver.name}${trying ? '' : ':untried'}`;
    const kept = this.#read()[key];
    if (kept !== undefined && isValid(kept, kernel)) return kept.probe;
    const probe = await driver.probe({
      signal,
      ...(trying && { initramfs }),
      // The kernel of User-Mode Linux is the program that is tried.
      ...((trying || driver.name === 'uml') && {
        kernel: { vmlinux: kernel.vmlinux, bzImage: kernel.bzImage },
      }),
    });
    if (probe.usable)
      this.#keep(key, { boot: findBoot(), kernel: kernel.digest, program: stamp(probe), probe });
    return probe;
  }

  #read(): Readonly<Record<string, KeptProbe>> {
    try {
      return JSON.parse(readFileSync(join(this.#root, probesFile), 'utf8')) as Record<string, KeptProbe>;
    } catch {
      return {};
    }
  }

  /** Nothing is lost with it but the time that trying takes. */
  #keep(key: string, kept: KeptProbe): void {
    const path = join(this.#root, probesFile);
    try {
      writeFileSync(`${path}.${process.pid}`, JSON.stringify({ ...this.#read(), [key]: kept }), {
        mode: 0o600,
      });
      renameSync(`${path}.${process.pid}`, path);
    } catch {}
  }
}

function isValid({ boot, kernel: digest, program, probe }: KeptProbe, kernel: Kernel): boolean {
  return boot !== undefined && boot === findBoot() && digest === kernel.digest && program === stamp(probe);
}

function stamp({ program }: VmmProbe): string {
  const stats = program === undefined ? undefined : statSync(program, { throwIfNoEntry: false });
  return stats === undefined ? '' : `${stats.mtimeMs} ${stats.size}`;
}
