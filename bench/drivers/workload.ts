import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { run } from '../pull/packages.ts';
import { type Extent, type Layers, small, unmeasuredName, writtenName } from './base.ts';
import { extract } from './extract.ts';
import type { OpenSubject, View } from './subject.ts';
import type { Task } from './worker.ts';

/** One figure that is measured, in seconds. */
export interface Measure {
  readonly key: string;
  readonly title: string;
  /** What is done, for the reader. */
  readonly how: string;
}

/** Figures that belong together. */
export interface Section {
  readonly title: string;
  readonly note: string;
  readonly measures: readonly Measure[];
}

const readCommand = 'find tree -type f -print0 | xargs -0 cat > /dev/null';
const findCommand = "find tree -printf '%p %y %m %s %T@\\n' > /dev/null";

/** All that is measured. */
export function describeMeasures(extent: Extent): readonly Section[] {
  const count = formatCount(extent.layers * extent.filesPerLayer);
  const large = `${extent.largeFiles} × ${formatSize(extent.largeFile)}`;
  return [
    {
      title: 'A new snapshot, and a new layer',
      note: `Over an image of ${extent.layers} layers with ${count} small files, and files of ${extent.written.map(formatSize).join(', ')}.`,
      measures: [
        { key: 'prepare', title: 'New writable snapshot', how: 'prepare it, and mount it' },
        {
          key: 'layer-small',
          title: `Layer of ${formatCount(extent.smallFiles)} files of ${formatSize(small)}`,
          how: 'prepare, mount, tar -x, unmount, commit: all on the disk',
        },
        {
          key: 'layer-large',
          title: `Layer of ${large}`,
          how: 'prepare, mount, tar -x, unmount, commit: all on the disk',
        },
      ],
    },
    {
      title: 'First write to a file of a lower layer',
      note: 'Open it, write one byte at its start, close it; it had been read before. Where a layer is a directory of its own this copies the file (copy-up), and OverlayFS waits until the copy is on the disk; copies have paid when the snapshot was made.',
      measures: extent.written.map(size => ({
        key: `first-write-${size}`,
        title: formatSize(size),
        how: 'open, write one byte, close',
      })),
    },
    {
      title: 'Writing new files',
      note: 'Through the view, until all of it is on the disk (sync -f).',
      measures: [
        {
          key: 'new-small',
          title: `${formatCount(extent.newFiles)} files of ${formatSize(small)}`,
          how: 'create, write, close each; sync -f',
        },
        {
          key: 'new-large',
          title: `One file of ${formatSize(extent.newFile)}`,
          how: 'write in pieces of 1 MiB, close; sync -f',
        },
      ],
    },
    {
      title: `Reading ${count} small files`,
      note: 'Cold: freshly mounted, with nothing in the caches of the kernel (drop_caches). Warm: once more.',
      measures: [
        { key: 'find-cold', title: 'find, cold', how: findCommand },
        { key: 'find-warm', title: 'find, warm', how: findCommand },
        { key: 'read-cold', title: 'Read all, cold', how: readCommand },
        { key: 'read-warm', title: 'Read all, warm', how: readCommand },
      ],
    },
  ];
}

export interface WorkloadOptions {
  readonly extent: Extent;
  readonly layers: Layers;
  /** On the filesystem that bears the subject. */
  readonly place: string;
}

/** One round of all that is measured, in seconds by key. */
export async function runWorkload(
  subject: OpenSubject,
  { extent, layers, place }: WorkloadOptions,
): Promise<Readonly<Record<string, number>>> {
  const seconds: Record<string, number> = {};
  {
    settle();
    const begin = performance.now();
    await using view = await subject.prepare();
    seconds.prepare = since(begin);
    for (const [key, command] of [
      ['find', findCommand],
      ['read', readCommand],
    ] as const) {
      settle();
      dropCaches();
      await view.remount();
      dropCaches();
      [seconds[`${key}-cold`]] = work(view, { kind: 'command', command }) as [number];
      [seconds[`${key}-warm`]] = work(view, { kind: 'command', command }) as [number];
    }
    const task = { kind: 'new-files', place } as const;
    settle();
    const many = { name: 'new-small', count: extent.newFiles, size: small };
    [seconds['new-small']] = work(view, { ...task, ...many }) as [number];
    settle();
    const one = { name: 'new-large', count: 1, size: extent.newFile };
    [seconds['new-large']] = work(view, { ...task, ...one }) as [number];
    settle();
    // The directory is copied up with the first of them, which does not count.
    const files = [unmeasuredName, ...extent.written.map(writtenName)];
    const written = work(view, { kind: 'first-write', files });
    for (const [index, size] of extent.written.entries())
      seconds[`first-write-${size}`] = written[index + 1]!;
  }
  seconds['layer-small'] = await createLayer(subject, layers.small);
  seconds['layer-large'] = await createLayer(subject, layers.large);
  return seconds;
}

async function createLayer(subject: OpenSubject, tar: string): Promise<number> {
  run('bash', ['-c', `cat ${tar} > /dev/null`]);
  settle();
  const begin = performance.now();
  await using view = await subject.prepare();
  extract(tar, view.path, view.entrance);
  await view.commit();
  return since(begin);
}

/** What all subjects must show alike: names, types, modes, and the sizes of what is no directory. */
export function listView(view: View): string {
  const list =
    "find . -mindepth 1 '(' -type d -printf '%P %y %m\\n' -o -printf '%P %y %m %s\\n' ')' | LC_ALL=C sort | sha256sum";
  const [program, ...rest] = [...view.entrance, 'bash', '-c', 'cd "$0" && eval "$1"', view.path, list];
  return run(program!, rest).slice(0, 64);
}

function work(view: View, task: Task): readonly number[] {
  const worker = path.join(import.meta.dirname, 'worker.ts');
  const words = [process.execPath, worker, view.path, JSON.stringify(task)];
  const [program, ...rest] = [...view.entrance, ...words];
  return JSON.parse(run(program!, rest)) as readonly number[];
}

/** What those before have left to be written must not be paid for by those that come. */
function settle(): void {
  run('sync', []);
}

function dropCaches(): void {
  writeFileSync('/proc/sys/vm/drop_caches', '3');
}

function since(begin: number): number {
  return (performance.now() - begin) / 1000;
}

export function formatSize(bytes: number): string {
  return bytes < 1_048_576 ? `${bytes / 1024} KiB` : `${bytes / 1_048_576} MiB`;
}

function formatCount(count: number): string {
  return count.toLocaleString('en');
}
