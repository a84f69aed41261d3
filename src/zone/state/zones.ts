import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { isErrno, wrapErrno } from '../../error/index.ts';
import {
  identifyProcess,
  isRoot,
  removeTree,
  signalGroup,
  throwIfAborted,
  tryLock,
} from '../../host/index.ts';
import type { MachineRecord } from '../../vmm/index.ts';
import { ZoneError } from '../error.ts';
import { checkName, createId, inventName, isId } from './name.ts';
import { readRecord, recordFile, type ZoneRecord, type ZoneVolume } from './record.ts';
import { isAbandoned, isAlive } from './status.ts';

/** The first of the users that hypervisors run as, one for each zone: above all that people and subordinate ids use. */
const firstUid = 2_000_000_000;
const mostZones = 65_536;

/** Of a directory that is being removed. */
const removedSuffix = '.removed';

/** A zone as it is on disk: its directory, and what was recorded of it. */
export interface StoredZone {
  readonly directory: string;
  readonly record: ZoneRecord;
}

/** What a new zone is to be recorded as; its id and user are chosen, its name too if it has none. */
export type NewZone = Omit<
  ZoneRecord,
  'version' | 'id' | 'name' | 'hostname' | 'created' | 'uid' | 'launcher' | 'volumes'
> & {
  readonly name?: string | undefined;
  readonly hostname?: string | undefined;
};

/**
 * The zones of one cache: ROOT/zones/ID. Any number of processes share it; a name, a user and a volume that is written to
 * belong to one zone at a time, because whoever makes a zone holds the lock of the directory meanwhile.
 */
export class Zones {
  readonly #root: string;

  constructor(root: string) {
    this.#root = join(root, 'zones');
  }

  directory(id: string): string {
    return join(this.#root, id);
  }

  /** All zones, the oldest first. */
  all(): readonly StoredZone[] {
    return this.#ids()
      .flatMap(id => {
        const directory = this.directory(id);
        const record = readRecord(directory);
        return record === undefined || record.id !== id ? [] : [{ directory, record }];
      })
      .sort((a, b) => (a.record.created < b.record.created ? -1 : 1));
  }

  /** The zone of a name, an id, or the start of an id. ZoneError `not-found`; `invalid` if it could be several. */
  find(text: string): StoredZone {
    const zones = this.all();
    const named = zones.find(({ record }) => record.name === text || record.id === text);
    if (named !== undefined) return named;
    const found = /^[0-9a-f]+$/.test(text) ? zones.filter(({ record }) => record.id.startsWith(text)) : [];
    if (found.length === 1) return found[0]!;
    if (found.length === 0) {
      throw new ZoneError('not-found', `there is no zone ${JSON.stringify(text)}`, {
        detail: { zone: text },
        hint: 'shale zone ls shows what there is',
      });
    }
    throw new ZoneError('invalid', `${JSON.stringify(text)} is the start of ${found.length} ids`, {
      detail: { zone: text, ids: found.map(({ record }) => record.id) },
    });
  }

  /**
   * Makes a zone's directory and record. ZoneError `exists` if the name is taken. Waits while another process makes one.
   */
  async create(wanted: NewZone, signal?: AbortSignal): Promise<StoredZone> {
    makeDirectory(this.#root);
    using _lock = await this.#lock(signal);
    this.#removeLeft();
    const others = this.all();
    const { id, name } = this.#choose(others, wanted);
    const directory = this.directory(id);
    const record: ZoneRecord = {
      ...wanted,
      volumes: [],
      ...{ version: 1, id, name, hostname: wanted.hostname ?? id, created: new Date().toISOString() },
      ...(isRoot() && { uid: chooseUid(others) }),
      launcher: identifyProcess(process.pid),
    };
    try {
      mkdirSync(directory, { mode: 0o700 });
      mkdirSync(join(directory, 'run'), { mode: 0o700 });
      this.save(record);
    } catch (error) {
      throw wrapErrno(error, `cannot make ${directory}`);
    }
    return { directory, record };
  }

  /** Records what volumes a zone has, unless `check`, which sees the other zones, throws. One zone at a time does this. */
  async claim(
    id: string,
    volumes: readonly ZoneVolume[],
    check: (others: readonly StoredZone[]) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    using _lock = await this.#lock(signal);
    check(this.all().filter(({ record }) => record.id !== id));
    this.update(id, record => ({ ...record, volumes }));
  }

  /** Replaces a zone's record, whole or not at all. No zone outlives the host's kernel, so nothing is synced. */
  save(record: ZoneRecord): void {
    const path = join(this.directory(record.id), recordFile);
    const temporary = `${path}.${process.pid}`;
    writeFileSync(temporary, `${JSON.stringify(record, undefined, 2)}\n`, { mode: 0o600 });
    renameSync(temporary, path);
  }

  /** Changes a zone's record as it stands now; one that was removed stays so. */
  update(id: string, change: (record: ZoneRecord) => ZoneRecord): void {
    const record = readRecord(this.directory(id));
    if (record !== undefined) this.save(change(record));
  }

  /** Records a machine that was just started. ZoneError `cancelled` as `requireWanted`: it has to be killed then. */
  claimMachine(id: string, machine: MachineRecord): void {
    this.requireWanted(id);
    this.update(id, record => ({ ...record, machine }));
  }

  /** ZoneError `cancelled` if somebody has killed or removed the zone while it was being launched. */
  requireWanted(id: string): void {
    if (this.wasKilled(id))
      throw new ZoneError('cancelled', 'the zone was killed while it came up', { detail: { zone: id } });
  }

  /** Whether somebody has cut the zone off, and perhaps removed it too. */
  wasKilled(id: string): boolean {
    const record = readRecord(this.directory(id));
    return record === undefined || record.end?.killed === true;
  }

  /** Its launcher has nothing to do with the zone any more, be it that it goes on itself. */
  release(id: string): void {
    this.update(id, ({ launcher: _, ...record }) => record);
  }

  /** Removes what only a running zone needs. */
  clear(id: string): void {
    removeTree(join(this.directory(id), 'run'));
    removeTree(join(this.directory(id), 'scratch'));
  }

  /** Removes what is on disk of a zone, which must not run: at once for all who look, whoever is still at it. */
  remove(id: string): void {
    const removed = `${this.directory(id)}${removedSuffix}`;
    try {
      renameSync(this.directory(id), removed);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return;
      throw wrapErrno(error, `cannot remove ${this.directory(id)}`);
    }
    removeLeft(removed);
  }

  /** Clears up after zones that have ended and that nobody attends to: removes those that were to be removed then. */
  sweep(): void {
    for (const { directory, record } of this.all()) {
      if (isAbandoned(directory, record)) endMachine(record);
      if (isAlive(record)) continue;
      if (record.remove) this.remove(record.id);
      else this.clear(record.id);
    }
  }

  /** What who made or removed a zone has left behind, killed in the midst of it. Under the lock nobody makes one. */
  #removeLeft(): void {
    for (const name of this.#names()) {
      const directory = join(this.#root, name);
      const left = name.endsWith(removedSuffix) || (isId(name) && readRecord(directory) === undefined);
      if (left) removeLeft(directory);
    }
  }

  #ids(): readonly string[] {
    return this.#names().filter(isId);
  }

  #names(): readonly string[] {
    try {
      return readdirSync(this.#root);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw wrapErrno(error, `cannot read ${this.#root}`);
    }
  }

  /** An invented name has only the start of the id in it: another zone may have it although the id is free. */
  #choose(others: readonly StoredZone[], { name, image }: NewZone): { id: string; name: string } {
    if (name !== undefined) requireFreeName(others, checkName(name));
    const taken = new Set(this.#ids());
    const names = new Set(others.map(({ record }) => record.name));
    for (;;) {
      const id = createId();
      const chosen = name ?? inventName(image.reference, id);
      if (!taken.has(id) && (name !== undefined || !names.has(chosen))) return { id, name: chosen };
    }
  }

  #tryLock(path: string): Disposable | undefined {
    try {
      return tryLock(path);
    } catch (error) {
      throw wrapErrno(error, `cannot write to ${this.#root}`);
    }
  }

  async #lock(signal: AbortSignal | undefined): Promise<Disposable> {
    const path = join(this.#root, '.lock');
    for (;;) {
      const lock = this.#tryLock(path);
      if (lock !== undefined) return lock;
      throwIfAborted(signal);
      await setTimeout(2);
    }
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw wrapErrno(error, `cannot make ${path}`);
  }
}

/** Others may be at the same. */
function removeLeft(directory: string): void {
  try {
    removeTree(directory);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTEMPTY')) throw error;
  }
}

/** Who asks next finds it gone. */
function endMachine({ machine }: ZoneRecord): void {
  if (machine !== undefined) signalGroup(machine.process, 'SIGKILL');
}

function requireFreeName(others: readonly StoredZone[], name: string): void {
  const other = others.find(({ record }) => record.name === name);
  if (other === undefined) return;
  throw new ZoneError('exists', `there is a zone ${name} already`, {
    detail: { name, id: other.record.id },
    hint: `shale zone rm ${name} removes it; --name gives the new one another name`,
  });
}

/** The first user that no zone has. */
function chooseUid(others: readonly StoredZone[]): number {
  const taken = new Set(others.map(({ record }) => record.uid));
  for (let uid = firstUid; uid < firstUid + mostZones; uid += 1) if (!taken.has(uid)) return uid;
  throw new ZoneError('exhausted', `there are ${mostZones} zones`, { hint: 'remove some: shale zone rm' });
}
