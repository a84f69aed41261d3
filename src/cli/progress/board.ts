import type { ProgressEvent } from './progress.ts';

/** What is done with the layers once they are there; `nothing`: they are only downloaded. */
export type Reading = 'rendering' | 'reading' | 'nothing';

export type TaskState = 'waiting' | 'there' | 'downloading' | 'downloaded' | 'reading' | 'done';

/** One layer on its way, or one blob that is copied. */
export interface Task {
  /** Of a layer from the oldest, 0; of a blob in the order of appearance. */
  readonly position: number;
  /** As people know it: the start of its digest. */
  readonly name: string;
  /** Bytes of the blob. */
  readonly size: number;
  /** Whether it was there before; undefined where nothing is downloaded at all. */
  readonly cached: boolean | undefined;
  /** Bytes that have arrived, and of which a reader is done. */
  readonly received: number;
  readonly read: number;
  readonly state: TaskState;
  /** How a blob came to its target. */
  readonly how: Extract<ProgressEvent, { type: 'blob' }>['how'];
}

/** Bytes to move and bytes moved, of so many tasks. */
export interface Total {
  readonly size: number;
  readonly done: number;
  readonly count: number;
  readonly finished: number;
}

/** What an event has changed about a task, for whoever tells only of changes. `downloaded` may also be its end. */
export interface Step {
  readonly task: Task;
  readonly what: 'began' | 'downloaded' | 'done';
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/**
 * How far the layers of an image, or the blobs of a copy, are, as progress events tell. A layer is downloaded, unless it is
 * there, and read while it arrives; a layer that is read twice counts once. Each event costs the same, however many there are.
 */
export class Board {
  readonly tasks: readonly Task[];
  /** In the order in which they began. */
  readonly active = new Set<Task>();
  readonly download: Total;
  readonly reading: Total;
  /** Tasks that are done with all. */
  done = 0;
  readonly kind: 'layer' | 'blob' | 'check';
  readonly #reads: boolean;
  readonly #blobs = new Map<string, Task>();

  private constructor(kind: Board['kind'], tasks: Task[], reads: boolean) {
    this.kind = kind;
    this.tasks = tasks;
    this.#reads = reads;
    const arriving = tasks.filter(({ cached }) => cached === false);
    this.download = totalOf(arriving);
    this.reading = totalOf(reads ? tasks : []);
    this.done = tasks.filter(({ state }) => state === 'done').length;
  }

  /** A board for what begins with this event; undefined if nothing does. */
  static create(event: ProgressEvent, reading: Reading): Board | undefined {
    const reads = reading !== 'nothing';
    switch (event.type) {
      case 'image':
        return new Board(
          'layer',
          event.layers.map(({ name, size, cached }, position) => ({
            ...{ position, name: shorten(name), size, cached, received: 0, read: 0, how: undefined },
            state: cached !== true ? 'waiting' : reads ? 'there' : 'done',
          })),
          reads,
        );
      case 'blob':
        return new Board('blob', [], false);
      case 'check':
        return new Board('check', [], true);
      default:
        return undefined;
    }
  }

  update(event: ProgressEvent): Step | undefined {
    switch (event.type) {
      case 'download':
        return this.#move(this.tasks[event.layer], event.received, undefined);
      case 'layer':
        return this.#move(this.tasks[event.layer], undefined, event.read);
      case 'blob':
        return this.#moveBlob(event);
      case 'check':
        Object.assign(this.reading, { size: event.total, done: event.done });
        return undefined;
      default:
        return undefined;
    }
  }

  #move(given: Task | undefined, received: number | undefined, read: number | undefined): Step | undefined {
    if (given === undefined || given.state === 'done') return undefined;
    const task = given as Mutable<Task>;
    const before = task.state;
    const arriving = task.cached === false;
    const wasComplete = !arriving || task.received >= task.size;
    // Who reads bytes has them, whatever was told of the download; and what has arrived in full stays.
    const told = Math.max(received ?? task.received, read ?? task.read);
    const arrived = wasComplete ? task.received : Math.min(task.size, told);
    if (arriving) (this.download as Mutable<Total>).done += arrived - task.received;
    task.received = arrived;
    if (read !== undefined) {
      (this.reading as Mutable<Total>).done += Math.min(read, task.size) - task.read;
      task.read = Math.min(read, task.size);
    }
    const complete = !arriving || arrived >= task.size;
    const finished = this.#reads ? read !== undefined && task.read >= task.size : complete;
    task.state = finished ? 'done' : stateOf(task, complete);
    const downloaded = complete && !wasComplete;
    if (downloaded) (this.download as Mutable<Total>).finished += 1;
    this.#track(task);
    if (finished) return { task, what: this.#reads ? 'done' : 'downloaded' };
    if (downloaded) return { task, what: 'downloaded' };
    return (before === 'waiting' || before === 'there') && task.state !== before
      ? { task, what: 'began' }
      : undefined;
  }

  #moveBlob({ digest, done, size, how }: Extract<ProgressEvent, { type: 'blob' }>): Step | undefined {
    const total = this.download as Mutable<Total>;
    const known = this.#blobs.get(digest);
    const task = (known ?? this.#addBlob(digest, size)) as Mutable<Task>;
    if (task.state === 'done') return undefined;
    total.done += done - task.received;
    task.received = done;
    task.state = how === undefined ? 'downloading' : 'done';
    if (how !== undefined) {
      task.how = how;
      total.finished += 1;
      // Bytes that did not have to move say nothing of the speed.
      total.done -= done;
      total.size -= size;
      if (how === 'pushed' || how === 'copied') {
        total.done += size;
        total.size += size;
      }
    }
    this.#track(task);
    if (how !== undefined) return { task, what: 'done' };
    return known === undefined ? { task, what: 'began' } : undefined;
  }

  #addBlob(digest: string, size: number): Task {
    const task: Task = {
      ...{ position: this.tasks.length, name: shorten(digest), size, cached: undefined },
      ...{ received: 0, read: 0, state: 'waiting', how: undefined },
    };
    this.#blobs.set(digest, task);
    (this.tasks as Task[]).push(task);
    const total = this.download as Mutable<Total>;
    total.size += size;
    total.count += 1;
    return task;
  }

  #track(task: Task): void {
    if (task.state === 'done') {
      this.active.delete(task);
      this.done += 1;
    } else if (task.state === 'downloading' || task.state === 'reading') this.active.add(task);
    else this.active.delete(task);
  }
}

function stateOf({ cached, received, read }: Task, complete: boolean): TaskState {
  if (!complete) return received > 0 ? 'downloading' : 'waiting';
  return cached === false && read === 0 ? 'downloaded' : 'reading';
}

function totalOf(tasks: readonly Task[]): Total {
  const size = tasks.reduce((sum, { size }) => sum + size, 0);
  return { size, done: 0, count: tasks.length, finished: 0 };
}

function shorten(name: string): string {
  return name.replace(/^sha256:/, '').slice(0, 12);
}
