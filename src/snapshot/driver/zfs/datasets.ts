import { SnapshotError } from '../../error.ts';
import { zfs, zpool } from './command.ts';

/** What a dataset's own snapshot is called when it is committed: clones are made of that. */
const committed = 'committed';

/**
 * A dataset for each snapshot, below one that is ours: `PARENT/ID`. What is active is the dataset, what is committed its snapshot, `PARENT/ID@committed`; another
 * one is a clone of that. All are mounted by who asks for them (`mountpoint=legacy`). SnapshotErrors.
 */
export class Datasets {
  readonly parent: string;

  constructor(parent: string) {
    this.parent = parent;
  }

  name(id: number): string {
    return `${this.parent}/${id}`;
  }

  committedName(id: number): string {
    return `${this.name(id)}@${committed}`;
  }

  idOf(source: string): number | undefined {
    if (!source.startsWith(`${this.parent}/`)) return undefined;
    const id = /^([1-9][0-9]*)(@|$)/.exec(source.slice(this.parent.length + 1))?.[1];
    return id === undefined ? undefined : Number(id);
  }

  /** An empty one, which keeps the attributes and access lists that images have. `exists`. */
  async create(id: number): Promise<void> {
    const properties = ['-o', 'mountpoint=legacy', '-o', 'xattr=sa', '-o', 'acltype=posixacl'];
    await zfs(['create', ...properties, this.name(id)], { doing: `make the dataset ${this.name(id)}` });
  }

  /** With all that a committed one has. `exists`. */
  async clone(id: number, parent: number): Promise<void> {
    const words = ['clone', '-o', 'mountpoint=legacy', this.committedName(parent), this.name(id)];
    await zfs(words, { doing: `make the dataset ${this.name(id)} of ${parent}` });
  }

  /** Durable when it returns. Committed before is success. */
  async commit(id: number): Promise<void> {
    const name = this.committedName(id);
    await unless('exists', zfs(['snapshot', name], { doing: `commit the dataset ${this.name(id)}` }));
  }

  /** Nothing there is success. `conflict` while it is mounted, or others are clones of it. */
  async destroy(id: number): Promise<void> {
    const words = ['destroy', '-r', this.name(id)];
    await unless('not-found', zfs(words, { doing: `destroy the dataset ${this.name(id)}` }));
  }

  async list(): Promise<readonly number[]> {
    const words = ['list', '-H', '-o', 'name', '-t', 'filesystem', '-d', '1', this.parent];
    const names = (await zfs(words, { doing: `list the datasets in ${this.parent}` })).split('\n');
    return names.flatMap(name => this.idOf(name) ?? []);
  }

  /** Sees to it that what was written counts in `written` and `objects`, which know what is on the disks. */
  async sync(): Promise<void> {
    const pool = this.parent.split('/')[0]!;
    await zpool(['sync', pool], { doing: `write out the pool ${pool}` });
  }

  /** Bytes that a dataset, or a committed one, has beyond what it is a clone of. */
  async written(name: string): Promise<number> {
    const words = ['get', '-Hp', '-o', 'value', 'written', name];
    return Number((await zfs(words, { doing: `measure the dataset ${name}` })).trim()) || 0;
  }

  /** How many inodes it has, those of what it is a clone of included; 0 where the pool does not count them. */
  async objects(name: string): Promise<number> {
    const words = ['userspace', '-Hp', '-o', 'objused', name];
    const counts = (await zfs(words, { doing: `count the inodes of the dataset ${name}` })).split('\n');
    return counts.reduce((sum, count) => sum + (Number(count.trim()) || 0), 0);
  }
}

async function unless(code: string, work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof SnapshotError) || error.code !== code) throw error;
  }
}
