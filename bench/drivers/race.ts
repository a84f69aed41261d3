import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { isInstalled } from '../measure.ts';
import { createLayers, type Extent } from './base.ts';
import { createFilesystem, type LoopFilesystem, programs } from './filesystem.ts';
import type { FilesystemType, OpenSubject, Subject } from './subject.ts';
import { listView, runWorkload } from './workload.ts';

/** What came of a subject. */
export interface Result {
  readonly subject: Subject;
  /** Seconds of each round, by the key of the measure. */
  readonly seconds: Record<string, number[]>;
  /** A digest of what a new snapshot shows. */
  listing: string | undefined;
  /** Why it takes no part, or no longer. */
  failure: string | undefined;
}

export interface RaceOptions {
  readonly extent: Extent;
  /** After one that warms up, unless it is the only one. */
  readonly rounds: number;
  readonly scratch: string;
  /** Of each filesystem, in bytes. */
  readonly size: number;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Every subject once a round, so that what the machine does besides strikes all alike. One that fails is out: the others go on. All lie on filesystems of
 * their own, each type one for all subjects that stand on it.
 */
export async function race(subjects: readonly Subject[], options: RaceOptions): Promise<readonly Result[]> {
  const { extent, rounds, scratch, size, onProgress, signal } = options;
  const directory = mkdtempSync(path.join(scratch, 'shale-drivers-'));
  const filesystems = new Map<FilesystemType, LoopFilesystem>();
  const open = new Map<Subject, { readonly subject: OpenSubject; readonly place: string }>();
  const results = subjects.map((subject): Result => {
    const missing = [...subject.needs, programs[subject.filesystem]].filter(program => !isInstalled(program));
    const failure = missing.length > 0 ? `not installed: ${missing.join(', ')}` : undefined;
    return { subject, seconds: {}, listing: undefined, failure };
  });
  try {
    const layers = await createLayers(extent, path.join(directory, 'layers'));
    for (let round = rounds === 1 ? 1 : 0; round <= rounds; round++) {
      for (const result of results) {
        signal.throwIfAborted();
        if (result.failure !== undefined) continue;
        const { subject } = result;
        onProgress(`round ${round} of ${rounds}  ${subject.name}`);
        try {
          if (!filesystems.has(subject.filesystem))
            filesystems.set(subject.filesystem, createFilesystem(subject.filesystem, size, directory));
          if (!open.has(subject)) {
            const place = path.join(
              filesystems.get(subject.filesystem)!.path,
              `${subjects.indexOf(subject)}`,
            );
            mkdirSync(place);
            open.set(subject, { place, subject: await subject.open(place, layers.image) });
          }
          const { place, subject: opened } = open.get(subject)!;
          result.listing ??= await list(opened);
          const seconds = await runWorkload(opened, { extent, layers, place });
          if (round === 0) continue;
          for (const [key, value] of Object.entries(seconds))
            result.seconds[key] = [...(result.seconds[key] ?? []), value];
        } catch (error) {
          result.failure = (error as Error).message.trim();
        }
      }
    }
    return results;
  } finally {
    for (const { subject } of open.values()) await subject[Symbol.asyncDispose]();
    for (const filesystem of filesystems.values()) filesystem[Symbol.dispose]();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function list(subject: OpenSubject): Promise<string> {
  await using view = await subject.prepare();
  return listView(view);
}

export function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? Number.NaN;
}
