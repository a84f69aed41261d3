import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import { ShaleError } from '../../error/index.ts';
import type { LabelChanges, SnapshotInfo, Snapshotter } from '../../snapshot/snapshotter.ts';
import { DaemonError } from '../error.ts';
import { compileFilters } from '../filter/index.ts';
import { namespaceOf } from '../namespace.ts';
import { readKey, readLabels, readParent, writeInfo, writeMounts } from '../wire/convert.ts';
import type { Empty, WireInfo, WireLabels, WireMount } from '../wire/message.ts';
import type { CallContext, Calls } from './call.ts';
import type { Rendered } from './rendered.ts';

interface CreateRequest {
  readonly key: string;
  readonly parent: string;
  readonly labels: WireLabels;
}
interface KeyRequest {
  readonly key: string;
}
interface CommitRequest {
  readonly name: string;
  readonly key: string;
  readonly labels: WireLabels;
  readonly parent: string;
}
interface UpdateRequest {
  readonly info: WireInfo | null;
  readonly updateMask: { readonly paths: readonly string[] } | null;
}
interface ListRequest {
  readonly filters: readonly string[];
}
interface MountsResponse {
  readonly mounts: readonly WireMount[];
}
interface InfoResponse {
  readonly info: WireInfo;
}
interface ListResponse {
  readonly info: readonly WireInfo[];
}

/** So many snapshots go into one message of a list. */
const listed = 100;

/** containerd's snapshots service over a snapshotter. */
export class SnapshotsService {
  readonly #snapshotter: Snapshotter;
  readonly #rendered: Rendered;

  constructor(snapshotter: Snapshotter, rendered: Rendered) {
    this.#snapshotter = snapshotter;
    this.#rendered = rendered;
  }

  handlers(calls: Calls): UntypedServiceImplementation {
    return {
      Prepare: calls.unary('Snapshots/Prepare', (request: CreateRequest, context) =>
        this.#prepare(request, context),
      ),
      View: calls.unary('Snapshots/View', (request: CreateRequest, context) => this.#view(request, context)),
      Mounts: calls.unary('Snapshots/Mounts', (request: KeyRequest) => this.#mounts(request)),
      Commit: calls.unary('Snapshots/Commit', (request: CommitRequest, context) =>
        this.#commit(request, context),
      ),
      Remove: calls.unary('Snapshots/Remove', (request: KeyRequest) => this.#remove(request)),
      Stat: calls.unary('Snapshots/Stat', (request: KeyRequest) => this.#stat(request)),
      Update: calls.unary('Snapshots/Update', (request: UpdateRequest) => this.#update(request)),
      List: calls.stream('Snapshots/List', (request: ListRequest) => this.#list(request)),
      Usage: calls.unary('Snapshots/Usage', (request: KeyRequest) => this.#usage(request)),
      Cleanup: calls.unary('Snapshots/Cleanup', () => this.#cleanup()),
    };
  }

  async #prepare(request: CreateRequest, context: CallContext): Promise<MountsResponse> {
    const key = readKey(request.key, 'key');
    const { namespace = namespaceOf(key), signal } = context;
    const parent = readParent(request.parent);
    const labels = readLabels(request.labels);
    await this.#rendered.refuse({ parent, labels, namespace, signal });
    return { mounts: writeMounts(await this.#snapshotter.prepare(key, parent, { labels, signal })) };
  }

  async #view(request: CreateRequest, { signal }: CallContext): Promise<MountsResponse> {
    const labels = readLabels(request.labels);
    const key = readKey(request.key, 'key');
    const mounts = await this.#snapshotter.view(key, readParent(request.parent), { labels, signal });
    return { mounts: writeMounts(mounts) };
  }

  async #mounts({ key }: KeyRequest): Promise<MountsResponse> {
    return { mounts: writeMounts(await this.#snapshotter.mounts(readKey(key, 'key'))) };
  }

  async #commit(request: CommitRequest, { signal }: CallContext): Promise<Empty> {
    const [name, key] = [readKey(request.name, 'name'), readKey(request.key, 'key')];
    const labels = readLabels(request.labels);
    const parent = readParent(request.parent);
    try {
      await this.#snapshotter.commit(name, key, { labels, parent, signal });
    } catch (error) {
      throw parent === undefined ? error : explainRebase(error);
    }
    return {};
  }

  async #remove({ key }: KeyRequest): Promise<Empty> {
    await this.#snapshotter.remove(readKey(key, 'key'));
    return {};
  }

  async #stat({ key }: KeyRequest): Promise<InfoResponse> {
    return { info: writeInfo(await this.#snapshotter.stat(readKey(key, 'key'))) };
  }

  async #update({ info, updateMask }: UpdateRequest): Promise<InfoResponse> {
    const key = readKey(info?.name ?? '', 'info.name');
    const { labels, replace } = readChanges(readLabels(info?.labels ?? {}), updateMask?.paths ?? []);
    return { info: writeInfo(await this.#snapshotter.update(key, labels, { replace })) };
  }

  async *#list({ filters }: ListRequest): AsyncIterable<ListResponse> {
    const wanted = compileFilters(filters);
    let info: WireInfo[] = [];
    for await (const snapshot of this.#snapshotter.walk()) {
      if (!wanted(path => findField(snapshot, path))) continue;
      info.push(writeInfo(snapshot));
      if (info.length < listed) continue;
      yield { info };
      info = [];
    }
    if (info.length > 0) yield { info };
  }

  async #usage({ key }: KeyRequest): Promise<{ readonly size: number; readonly inodes: number }> {
    const { size, inodes } = await this.#snapshotter.usage(readKey(key, 'key'));
    return { size, inodes };
  }

  async #cleanup(): Promise<Empty> {
    await this.#snapshotter.cleanup();
    return {};
  }
}

/** UNIMPLEMENTED would be taken to say that there is no such method, and nobody would be told why. */
function explainRebase(error: unknown): unknown {
  if (!(error instanceof ShaleError) || error.code !== 'unsupported') return error;
  return new DaemonError('conflict', error.message, {
    cause: error,
    detail: error.detail,
    hint: 'take rebase out of the capabilities of this proxy plugin in containerd’s configuration, or use another driver',
  });
}

/** What an update changes, by its field mask. All labels without one. DaemonError `invalid` for a field that is fixed. */
function readChanges(
  labels: Readonly<Record<string, string>>,
  paths: readonly string[],
): { readonly labels: LabelChanges; readonly replace: boolean } {
  const replace = paths.length === 0 || paths.includes('labels');
  const named = paths.filter(path => path !== 'labels').map(readLabelPath);
  if (replace) return { labels, replace };
  return { labels: Object.fromEntries(named.map(name => [name, labels[name]])), replace };
}

function readLabelPath(path: string): string {
  const name = /^labels\.(.+)$/s.exec(path)?.[1];
  if (name !== undefined) return name;
  throw new DaemonError('invalid', `the field ${JSON.stringify(path)} of a snapshot cannot be changed`, {
    detail: { path },
    hint: 'only labels can: the mask is labels or labels.NAME',
  });
}

/** What filters call the parts of a snapshot. A name of a label may have dots. */
function findField(snapshot: SnapshotInfo, [field, ...rest]: readonly string[]): string | undefined {
  switch (field) {
    case 'name':
      return snapshot.key;
    case 'parent':
      return snapshot.parent ?? '';
    case 'kind':
      return snapshot.kind;
    case 'labels': {
      const name = rest.join('.');
      return Object.hasOwn(snapshot.labels, name) ? snapshot.labels[name] : undefined;
    }
    default:
      return undefined;
  }
}
