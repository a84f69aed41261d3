import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';

/**
 * Stands in for zfs(8) and zpool(8) where no kernel has ZFS: datasets, snapshots and clones without contents, with the words that OpenZFS 2.1 uses
 * (seen in the virtual machine of test/vm). As a program it is `node zfs-model.ts DIR zfs|zpool ARGUMENT…`, and keeps what there is in DIR.
 */
export interface ModelState {
  readonly datasets: Record<string, { properties: Record<string, string>; origin?: string }>;
  readonly snapshots: Record<string, object>;
  /** Every command line, in order. */
  readonly calls: string[][];
  /** What the next calls say on standard error instead of doing anything, by their first word. */
  readonly failures: Record<string, string>;
  /** Datasets that are mounted. */
  readonly mounted: string[];
}

/** A directory with `zfs` and `zpool` for PATH; what they know is in `state`. */
export function createZfsModel(directory: string, datasets: readonly string[]) {
  const bin = join(directory, 'bin');
  mkdirSync(bin, { recursive: true });
  // It is started dozens of times: without its types it starts faster.
  const script = join(bin, 'model.mjs');
  writeFileSync(script, stripTypeScriptTypes(readFileSync(import.meta.filename, 'utf8')));
  for (const name of ['zfs', 'zpool']) {
    const words = [process.execPath, script, directory, name].map(word => `'${word}'`);
    writeFileSync(join(bin, name), `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`, { mode: 0o755 });
  }
  const model = {
    bin,
    get state(): ModelState {
      return JSON.parse(readFileSync(join(directory, 'state.json'), 'utf8'));
    },
    change(change: (state: ModelState) => void) {
      const state: ModelState = existsSync(join(directory, 'state.json'))
        ? model.state
        : { datasets: {}, snapshots: {}, calls: [], failures: {}, mounted: [] };
      change(state);
      writeFileSync(join(directory, 'state.json'), JSON.stringify(state));
    },
  };
  model.change(state => {
    for (const name of datasets) state.datasets[name] = { properties: {} };
  });
  return model;
}

class Refusal extends Error {}

function runModel(state: ModelState, program: string, words: string[]): string {
  state.calls.push([program, ...words]);
  const [verb = '', ...rest] = words;
  const failure = state.failures[verb];
  if (failure !== undefined) throw new Refusal(failure);
  if (program === 'zpool') return '';
  const { operands, options } = parse(rest);
  const [first = '', second = ''] = operands;
  const missing = (what: string) => new Refusal(`cannot open '${what}': dataset does not exist`);
  const isThere = (name: string) => name in state.datasets || name in state.snapshots;
  const parentOf = (name: string) => name.slice(0, name.lastIndexOf('/'));
  const add = (name: string, origin?: string) => {
    if (isThere(name)) throw new Refusal(`cannot create '${name}': dataset already exists`);
    if (!isThere(parentOf(name))) throw new Refusal(`cannot create '${name}': parent does not exist`);
    const properties = Object.fromEntries(options.o.map(each => each.split('=') as [string, string]));
    state.datasets[name] = origin === undefined ? { properties } : { properties, origin };
  };
  switch (verb) {
    case 'create':
      add(first);
      return '';
    case 'clone':
      if (!(first in state.snapshots)) throw missing(first);
      add(second, first);
      return '';
    case 'snapshot':
      if (!(first.split('@')[0]! in state.datasets)) throw missing(first);
      if (isThere(first)) throw new Refusal(`cannot create snapshot '${first}': dataset already exists`);
      state.snapshots[first] = {};
      return '';
    case 'destroy': {
      if (!isThere(first)) throw missing(first);
      if (state.mounted.includes(first)) throw new Refusal(`cannot destroy '${first}': dataset is busy`);
      const clones = Object.entries(state.datasets).filter(([, { origin }]) =>
        origin?.startsWith(`${first}@`),
      );
      if (clones.length > 0) {
        const names = clones.map(([name]) => name).join('\n');
        throw new Refusal(
          `cannot destroy '${first}': filesystem has dependent clones\nuse '-R' to destroy the following datasets:\n${names}`,
        );
      }
      delete state.datasets[first];
      for (const name of Object.keys(state.snapshots)) {
        if (name.startsWith(`${first}@`)) delete state.snapshots[name];
      }
      return '';
    }
    case 'list': {
      if (first !== '' && !isThere(first)) throw missing(first);
      const names = Object.keys(state.datasets).filter(name => name === first || parentOf(name) === first);
      return names.map(name => `${name}\n`).join('');
    }
    case 'get':
      if (!isThere(second)) throw missing(second);
      return `${get(state, first, second, options.o[0] ?? 'value')}\n`;
    case 'set': {
      const [name = '', value = ''] = first.split('=');
      state.datasets[second]!.properties[name] = value;
      return '';
    }
    case 'userspace':
      if (!isThere(first)) throw missing(first);
      return first.includes('@') ? '5\n2\n' : '9\n';
    default:
      throw new Refusal(`unrecognized command '${verb}'`);
  }
}

function get({ datasets }: ModelState, property: string, name: string, columns: string): string {
  if (property === 'type') return name.endsWith('volume') ? 'volume' : 'filesystem';
  if (property === 'written') return name.includes('@') ? '65536' : '131072';
  for (let at = name; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
    const value = datasets[at]?.properties[property];
    if (value === undefined) continue;
    const source = at === name ? 'local' : `inherited from ${at}`;
    return columns === 'value' ? value : `${value}\t${source}`;
  }
  return columns === 'value' ? '-' : '-\t-';
}

/** Options with a value are `-o`, `-t`, `-d`; all others stand alone. */
function parse(words: readonly string[]): { operands: string[]; options: { o: string[] } } {
  const operands: string[] = [];
  const options = { o: [] as string[] };
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at]!;
    if (word === '-o') options.o.push(words[++at]!);
    else if (word === '-t' || word === '-d') at += 1;
    else if (!word.startsWith('-')) operands.push(word);
  }
  return { operands, options };
}

if (process.argv[1] === import.meta.filename) {
  const [directory = '', program = '', ...words] = process.argv.slice(2);
  const path = join(directory, 'state.json');
  const state = JSON.parse(readFileSync(path, 'utf8')) as ModelState;
  try {
    process.stdout.write(runModel(state, program, words));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  } finally {
    writeFileSync(path, JSON.stringify(state));
  }
}
