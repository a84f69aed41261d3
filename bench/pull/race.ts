import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type Cost, measure } from '../measure.ts';
import type { Contender, Session } from './contender.ts';
import { cpuSeconds } from './daemon.ts';
import { type Listing, listMounted } from './listing.ts';
import type { Registry } from './registry.ts';

/** One pull. The CPU time of `cost` is the client's alone. */
export interface Turn {
  readonly contender: string;
  readonly image: string;
  readonly round: number;
  /** The image that was pulled before into the same state; undefined where there was nothing. */
  readonly after: string | undefined;
  readonly cost: Cost;
  readonly daemonCpu: number;
  readonly registryCpu: number;
  /** Bytes that the registry sent. */
  readonly sent: number;
  /** How long `sync` took then: what was left to be written. */
  readonly sync: number;
  /** What all of it occupies on the disk. */
  readonly disk: number;
  readonly listing: Listing | undefined;
}

export interface Race {
  readonly registry: Registry;
  readonly contenders: readonly Contender[];
  readonly images: readonly string[];
  /** An image is pulled after another that shares most of its layers. */
  readonly followers: ReadonlyMap<string, string>;
  readonly rounds: number;
  /** On the filesystem of the registry's storage. */
  readonly scratch: string;
  /** Looked at between two turns: to end early and leave nothing behind. */
  readonly signal: AbortSignal;
}

/** Every contender once for each image and round, each time with a state of its own, in an order that moves by one a round. */
export async function* race({ contenders, images, rounds, signal, ...setting }: Race): AsyncGenerator<Turn> {
  for (let round = 0; round < rounds; round++) {
    for (const image of images) {
      for (let turn = 0; turn < contenders.length; turn++) {
        const contender = contenders[(turn + round) % contenders.length]!;
        if (round >= (contender.rounds ?? rounds)) continue;
        // Signals that came while a command blocked are heard here.
        await setImmediate();
        signal.throwIfAborted();
        yield* compete({ ...setting, contender, image, round });
      }
    }
  }
}

type Heat = Pick<Race, 'registry' | 'followers' | 'scratch'> &
  Pick<Turn, 'image' | 'round'> & { readonly contender: Contender };

async function* compete({
  contender,
  image,
  round,
  registry,
  followers,
  scratch,
}: Heat): AsyncGenerator<Turn> {
  const directory = mkdtempSync(path.join(scratch, 'turn-'));
  try {
    await using session = await contender.start(directory);
    const follower = followers.get(image);
    for (const [name, after] of [
      [image, undefined] as const,
      ...(follower ? [[follower, image] as const] : []),
    ]) {
      settle(registry, contender, name);
      const turn = run(session, registry, name, directory);
      const reference = registry.reference(name);
      // A name of its own: ctr keeps a view by the place where it is mounted.
      const mounted = path.join(scratch, `mounted-${name}`);
      const listing =
        round === 0 ? listMounted(mounted, target => session.mount(reference, target)) : undefined;
      yield { contender: contender.name, image: name, round, after, listing, ...turn };
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The same page cache for all: nothing but the registry's blobs and the programs that are about to run. */
function settle(registry: Registry, contender: Contender, image: string): void {
  spawnSync('sync');
  writeFileSync('/proc/sys/vm/drop_caches', '3');
  spawnSync('sh', ['-c', contender.warm], { stdio: 'ignore' });
  registry.warm(image);
}

function run(session: Session, registry: Registry, image: string, directory: string) {
  const server = registry.daemon.process.pid!;
  const daemon = session.daemon?.process.pid;
  const read = () => ({
    daemon: daemon === undefined ? 0 : cpuSeconds(daemon),
    registry: cpuSeconds(server),
    sent: registry.sentBytes(),
  });
  const before = read();
  const cost = measure(session.command(registry.reference(image)), directory);
  const now = read();
  const begin = performance.now();
  spawnSync('sync');
  const sync = (performance.now() - begin) / 1000;
  const usage = spawnSync('du', ['-s', '--block-size=1', directory], { encoding: 'utf8' });
  return {
    cost,
    daemonCpu: now.daemon - before.daemon,
    registryCpu: now.registry - before.registry,
    sent: now.sent - before.sent,
    sync,
    disk: Number.parseInt(usage.stdout, 10),
  };
}
