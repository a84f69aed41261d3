import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { isErrno, wrapErrno } from '../../error/index.ts';
import { identifyProcess, isRoot, removeTree, throwIfAborted, tryLock } from '../../host/index.ts';
import { ZoneError } from '../error.ts';
import { checkName, createId, inventName, isId } from './name.ts';
import { readRecord, recordFile, type ZoneRecord, type ZoneVolume } from './record.ts';
import { isAlive } from './status.ts';

/** The first of the users that hypervisors run as, one for each zone: above all that people and subordinate ids use. */
const firstUid = 2_000_000_000;
const mostZones = 65_536;

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
        hint: 'shale zone ls --all shows what there is',
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
    mkdirSync(this.#root, { recursive: true, mode: 0o700 });
    using _lock = await this.#lock(signal);
    const others = this.all();
    const id = this.#freeId();
    const name = checkName(wanted.name ?? inventName(wanted.image.reference, id));
    requireFreeName(others, name);
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
    const temporary = `${path}.new`;
    writeFileSync(temporary, `${JSON.stringify(record, undefined, 2)}\n`, { mode: 0o600 });
    renameSync(temporary, path);
  }

  /** Changes a zone's record as it stands now; one that was removed stays so. */
  update(id: string, change: (record: ZoneRecord) => ZoneRecord): void {
    const record = readRecord(this.directory(id));
    if (record !== undefined) this.save(change(record));
  }

  /** Why a zone ended, if somebody else has ended it. */
  findEnd(id: string): ZoneRecord['end'] {
    return readRecord(this.directory(id))?.end;
  }

  /** Removes what only a running zone needs. */
  clear(id: string): void {
    removeTree(join(this.directory(id), 'run'));
    removeTree(join(this.directory(id), 'scratch'));
  }

  /** Removes what is on disk of a zone, which must not run. */
  remove(id: string): void {
    removeTree(this.directory(id));
  }

  /** Clears up after zones that have ended and that nobody attends to: removes those that were to be removed then. */
  sweep(): void {
    for (const { record } of this.all()) {
      if (isAlive(record)) continue;
      if (record.remove) this.remove(record.id);
      else this.clear(record.id);
    }
  }

  #ids(): readonly string[] {
    try {
      return readdirSync(this.#root).filter(isId);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw wrapErrno(error, `cannot read ${this.#root}`);
    }
  }

  #freeId(): string {
    const taken = new Set(this.#ids());
    for (;;) {
      const id = createId();
      if (!taken.has(id)) return id;
    }
  }

  async #lock(signal: AbortSignal | undefined): Promise<Disposable> {
    for (;;) {
      const lock = tryLock(join(this.#root, '.lock'));
      if (lock !== undefined) return lock;
      throwIfAborted(signal);
      await setTimeout(2);
    }
  }
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
