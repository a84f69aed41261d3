import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Cost, isInstalled, measure, median } from '../measure.ts';
import { run } from '../pull/packages.ts';

/** One way to the same end. Directories are empty for each turn but for `files`. */
export interface Contender {
  readonly name: string;
  /** The programs that it takes. */
  readonly needs: readonly string[];
  /** For bash; rounds count from 0, and `N` is for the reader. */
  readonly command: (round: number | 'N') => string;
  /** What must have happened before, unmeasured. */
  readonly prepare?: (round: number, directory: string) => void;
  /** Names and texts. */
  readonly files?: Readonly<Record<string, string>>;
}

export interface Result {
  readonly contender: Contender;
  readonly costs: Cost[];
  /** Bytes on the disk. */
  size: number;
  /** Why it does not take part, or no longer. */
  failure: string | undefined;
}

/**
 * Every contender once a round, so that what the machine does besides strikes all alike. Round 0 warms up. What a contender leaves to
 * be written it must `sync` itself. One that fails is out of the race: the others go on.
 */
export function race(contenders: readonly Contender[], rounds: number, scratch: string): readonly Result[] {
  const results: Result[] = contenders.map(contender => {
    const missing = contender.needs.filter(program => !isInstalled(program));
    const failure = missing.length > 0 ? `not installed: ${missing.join(', ')}` : undefined;
    return { contender, costs: [], size: Number.NaN, failure };
  });
  for (let round = 0; round <= rounds; round++) {
    for (const result of results) {
      if (result.failure !== undefined) continue;
      const { contender } = result;
      const directory = mkdtempSync(path.join(scratch, 'turn-'));
      try {
        const files = Object.entries(contender.files ?? {});
        for (const [name, text] of files) writeFileSync(path.join(directory, name), text);
        contender.prepare?.(round, directory);
        // What the one before has left to be written must not be paid for by this one.
        spawnSync('sync');
        const cost = measure(contender.command(round), directory);
        if (round > 0) result.costs.push(cost);
        const exclude = files.map(([name]) => `--exclude=${name}`);
        result.size = Number(run('du', ['-s', '-B1', ...exclude, directory]).split('\t', 1)[0]);
      } catch (error) {
        result.failure = (error as Error).message.trim();
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
      process.stderr.write(`round ${round} of ${rounds}  ${contender.name}\n`);
    }
  }
  return results;
}

/** A table: times are medians with the range, `references` are what the others are compared with. */
export function tabulate(results: readonly Result[], references: readonly string[]): string[][] {
  const secondsOf = (name: string) => {
    const costs = results.find(({ contender }) => contender.name === name)?.costs ?? [];
    return costs.length === 0 ? Number.NaN : median(costs).seconds;
  };
  const head = ['', 'seconds', 'range', ...references.map(name => `÷ ${name}`), 'CPU s', 'peak MiB', 'MB'];
  const rows = results.map(({ contender, costs, size, failure }) => {
    if (costs.length === 0)
      return [contender.name, failure ? 'failed' : '–', ...head.slice(2).map(() => '–')];
    const { seconds, user, system, peakMemory } = median(costs);
    const all = costs.map(cost => cost.seconds);
    return [
      contender.name,
      seconds.toFixed(2),
      `${Math.min(...all).toFixed(2)}–${Math.max(...all).toFixed(2)}`,
      ...references.map(name => ratio(seconds, secondsOf(name))),
      (user + system).toFixed(2),
      peakMemory === undefined ? '–' : (peakMemory / 1_048_576).toFixed(0),
      (size / 1e6).toFixed(1),
    ];
  });
  return [head, ...rows];
}

function ratio(ours: number, theirs: number): string {
  const value = ours / theirs;
  return Number.isNaN(value) ? '–' : value.toFixed(value < 0.095 ? 3 : 2);
}
