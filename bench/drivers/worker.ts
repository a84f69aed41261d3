import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import path from 'node:path';

/** What is measured where the view is seen: a process of its own, since a view may be in another namespace. Times are seconds. */
export type Task =
  | { readonly kind: 'command'; readonly command: string }
  /** One byte at the start of each, which has been read before. */
  | { readonly kind: 'first-write'; readonly files: readonly string[] }
  /** New files in a new directory, until all is on the disk of `place`. */
  | {
      readonly kind: 'new-files';
      readonly name: string;
      readonly count: number;
      readonly size: number;
      readonly place: string;
    };

if (process.argv[1] === import.meta.filename) {
  const [view, task] = process.argv.slice(2) as [string, string];
  process.stdout.write(JSON.stringify(perform(view, JSON.parse(task) as Task)));
}

function perform(view: string, task: Task): readonly number[] {
  process.chdir(view);
  switch (task.kind) {
    case 'command':
      warmPrograms();
      return [time(() => run('bash', ['-c', task.command]))];
    case 'first-write':
      for (const file of task.files) readAll(file);
      return task.files.map(file => time(() => writeByte(file)));
    case 'new-files':
      return [time(() => writeFiles(task))];
  }
}

function time(work: () => void): number {
  const begin = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - begin) / 1e9;
}

function writeByte(file: string): void {
  const fd = openSync(file, 'r+');
  writeSync(fd, '!', 0);
  closeSync(fd);
}

function readAll(file: string): void {
  const fd = openSync(file, 'r');
  const buffer = Buffer.allocUnsafe(1_048_576);
  while (readSync(fd, buffer) > 0);
  closeSync(fd);
}

function writeFiles({ name, count, size, place }: Extract<Task, { kind: 'new-files' }>): void {
  const piece = Buffer.alloc(Math.min(size, 1_048_576), 'new ');
  mkdirSync(name);
  for (let index = 0; index < count; index++) {
    const fd = openSync(path.join(name, `file${index}`), 'wx');
    for (let written = 0; written < size; )
      written += writeSync(fd, piece, 0, Math.min(piece.length, size - written));
    closeSync(fd);
  }
  run('sync', ['-f', place]);
}

/** What reads must not have to be read itself. */
function warmPrograms(): void {
  run('bash', ['-c', "cd / && find /proc/self/comm -printf '%T@\\n' | xargs cat > /dev/null; true"]);
}

function run(program: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  if (status !== 0) throw error ?? new Error(`${program} ${args.join(' ')}: ${stderr}`);
}
