import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno, wrapErrno } from '../error/index.ts';
import { KernelError } from './error.ts';
import type { KernelModule, KernelModules } from './kernel.ts';
import type { ModuleFile } from './module-file.ts';
import { moduleName } from './module-name.ts';

/** A module's file name: its name and, in brackets, how it is compressed. */
export const moduleFile = /^([^/]+)\.ko(?:\.(?:xz|zst|gz))?$/;

/** No module of a real kernel has a tenth of it. */
export const mostModuleBytes = 64 * 1024 * 1024;
const mostListBytes = 64 * 1024 * 1024;
const mostDepth = 16;
/** In a row, each because of the one before; six are much. */
const mostNeeding = 256;

interface Index {
  /** Paths of the files, relative. */
  readonly files: ReadonlyMap<string, string>;
  readonly builtin: ReadonlySet<string>;
  /** Which modules go by another name too. */
  readonly aliases: ReadonlyMap<string, readonly string[]>;
}

type ReadModule = (bytes: Uint8Array, most: number, path: string) => ModuleFile;

export interface ModuleTreeOptions {
  /** For messages. */
  readonly kernel: string;
  readonly identity: string;
  readonly signed: boolean;
}

/** A directory of modules as `make modules_install` makes it: /lib/modules/RELEASE. Read when it is first needed. */
export class ModuleTree implements KernelModules {
  readonly identity: string;
  readonly signed: boolean;
  readonly #directory: string;
  readonly #kernel: string;
  #index: Index | undefined;

  constructor(directory: string, { kernel, identity, signed }: ModuleTreeOptions) {
    this.#directory = directory;
    this.#kernel = kernel;
    this.identity = identity;
    this.signed = signed;
  }

  find(name: string): 'file' | 'builtin' | undefined {
    this.#index ??= readIndex(this.#directory);
    const { files, builtin } = this.#index;
    if (builtin.has(moduleName(name))) return 'builtin';
    return files.has(moduleName(name)) ? 'file' : undefined;
  }

  async resolve(names: readonly string[]): Promise<readonly KernelModule[]> {
    const found = new Map<string, KernelModule>();
    // Whoever only wants to know that they are the same as before need not load what reads them.
    const { readModule } = await import('./module-file.ts');
    for (const name of names) this.#add(moduleName(name), undefined, found, new Set(), readModule);
    return [...found.values()];
  }

  #add(
    name: string,
    neededBy: string | undefined,
    found: Map<string, KernelModule>,
    above: Set<string>,
    readModule: ReadModule,
  ): void {
    const place = this.find(name);
    if (place === 'builtin' || found.has(name)) return;
    if (place === undefined) throw this.#missing(name, neededBy);
    if (above.has(name) || above.size > mostNeeding) throw this.#bad(name, 'what it needs goes in a circle');
    above.add(name);
    const { bytes, info } = this.#read(name, readModule);
    for (const soft of info.softBefore) {
      const chosen = this.#choose(soft);
      if (chosen !== undefined && !above.has(chosen)) this.#add(chosen, name, found, above, readModule);
    }
    for (const needed of info.depends) this.#add(needed, name, found, above, readModule);
    above.delete(name);
    found.set(name, { name, bytes });
  }

  /** What a soft dependency names: a module, or an alias of some. Of several one is enough, and the generic one runs everywhere. */
  #choose(name: string): string | undefined {
    const place = this.find(name);
    if (place === 'file') return name;
    if (place === 'builtin') return undefined;
    const candidates = [...(this.#index!.aliases.get(name) ?? [])].sort();
    if (candidates.some(candidate => this.find(candidate) === 'builtin')) return undefined;
    const files = candidates.filter(candidate => this.find(candidate) === 'file');
    return files.find(candidate => candidate.endsWith('_generic')) ?? files[0];
  }

  #read(name: string, readModule: ReadModule): ModuleFile {
    const path = join(this.#directory, this.#index!.files.get(name)!);
    try {
      if (statSync(path).size > mostModuleBytes) throw this.#bad(name, 'it is too large for a module');
      return readModule(readFileSync(path), mostModuleBytes, path);
    } catch (error) {
      throw wrapErrno(error, `cannot read the module ${name}`);
    }
  }

  #missing(name: string, neededBy: string | undefined): KernelError {
    const why = neededBy === undefined ? '' : `, which ${neededBy} needs`;
    return new KernelError('unsupported', `the kernel ${this.#kernel} has no module ${name}${why}`, {
      detail: { module: name, kernel: this.#kernel, neededBy },
      hint: 'choose another kernel with --kernel, or install one that has it: shale zone kernel install',
    });
  }

  #bad(name: string, why: string): KernelError {
    return new KernelError('corrupt', `the module ${name} of the kernel ${this.#kernel} is damaged: ${why}`, {
      detail: { module: name, kernel: this.#kernel },
    });
  }
}

/** Of a kernel without a directory of modules: whatever it needs is built in, or the machine will not come up. */
export class NoModules implements KernelModules {
  readonly identity = 'none';
  readonly signed = false;

  find(): 'builtin' {
    return 'builtin';
  }

  async resolve(): Promise<readonly KernelModule[]> {
    return [];
  }
}

function readIndex(directory: string): Index {
  const files = new Map<string, string>();
  walk(directory, '', 0, files);
  const builtin = new Set<string>();
  for (const line of readLines(join(directory, 'modules.builtin'))) {
    const name = moduleFile.exec(line.slice(line.lastIndexOf('/') + 1))?.[1];
    if (name !== undefined) builtin.add(moduleName(name));
  }
  const aliases = new Map<string, string[]>();
  const alias = (other: string, name: string) => {
    const known = aliases.get(moduleName(other));
    if (known === undefined) aliases.set(moduleName(other), [moduleName(name)]);
    else known.push(moduleName(name));
  };
  for (const line of readLines(join(directory, 'modules.alias'))) {
    const [word, other, name] = line.split(' ');
    if (word === 'alias' && isPlainAlias(other ?? '') && name !== undefined) alias(other!, name);
  }
  // `NAME.alias=OTHER`, each ended by a NUL, for what is built in.
  for (const [name, other] of readBuiltinAliases(join(directory, 'modules.builtin.modinfo')))
    alias(other, name);
  return { files, builtin, aliases };
}

/** An alias that is a name; others are patterns for devices. */
export function isPlainAlias(text: string): boolean {
  return /^[A-Za-z0-9_.+-]+$/.test(text);
}

function walk(directory: string, path: string, depth: number, files: Map<string, string>): void {
  if (depth > mostDepth) return;
  for (const entry of readdirSync(join(directory, path), { withFileTypes: true })) {
    const below = path === '' ? entry.name : `${path}/${entry.name}`;
    if (entry.isDirectory()) walk(directory, below, depth + 1, files);
    const name = moduleFile.exec(entry.name)?.[1];
    if (entry.isFile() && name !== undefined) files.set(moduleName(name), below);
  }
}

function* readBuiltinAliases(path: string): Generator<[name: string, alias: string]> {
  for (const record of readText(path).split('\0')) {
    const [, name, alias] = /^([^.=]+)\.alias=(.*)$/.exec(record) ?? [];
    if (name !== undefined && isPlainAlias(alias!)) yield [name, alias!];
  }
}

function readLines(path: string): string[] {
  return readText(path).split('\n');
}

function readText(path: string): string {
  try {
    if (statSync(path).size > mostListBytes) {
      throw new KernelError('exhausted', `${path} is too large for a list of modules`);
    }
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return '';
    throw wrapErrno(error, `cannot read ${path}`);
  }
}
