import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Script } from './script.ts';
import { journal } from './server.ts';

const sources = [
  'cloud-hypervisor-schema.ts',
  'cloud-hypervisor.ts',
  'firecracker-schema.ts',
  'firecracker.ts',
  'guest.ts',
  'schema.ts',
  'script.ts',
  'server.ts',
];

/**
 * A directory with fake hypervisors, first on this process's PATH until it is disposed, and room for machines. A
 * confined hypervisor sees little of the host, so all that the fakes need, Node too, is in that directory.
 */
export class Workshop implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'shale-vmm-'));
  readonly #bin = join(this.path, 'bin');
  readonly #before = process.env.PATH ?? '';
  #count = 0;

  constructor() {
    chmodSync(this.path, 0o755);
    mkdirSync(this.#bin);
    for (const name of sources) copyFileSync(join(import.meta.dirname, name), join(this.#bin, name));
    writeFileSync(join(this.#bin, 'package.json'), '{"type":"module"}\n');
    place(process.execPath, join(this.#bin, 'node'));
    process.env.PATH = `${this.#bin}:${this.#before}`;
    this.script({});
  }

  /** What the fakes that are started from now on are to do. */
  script(script: Script): void {
    for (const name of ['firecracker', 'cloud-hypervisor']) {
      const quoted = `'${JSON.stringify(script).replaceAll("'", "'\\''")}'`;
      const program = join(this.#bin, name);
      writeFileSync(program, `#!/bin/sh\nFAKE_SCRIPT=${quoted} exec ${this.#bin}/node ${program}.ts "$@"\n`);
      chmodSync(program, 0o755);
    }
  }

  /** Takes a program away. */
  remove(name: string): void {
    rmSync(join(this.#bin, name));
  }

  /** A new directory for a machine; `under` makes its path longer. */
  directory(under = ''): string {
    this.#count += 1;
    const path = join(this.path, under, `machine-${this.#count}`);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  }

  /** A new file. */
  file(name: string, content: string | Uint8Array, mode = 0o644): string {
    const path = join(this.path, name);
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  }

  [Symbol.dispose](): void {
    process.env.PATH = this.#before;
    rmSync(this.path, { recursive: true, force: true });
  }
}

function place(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}

export interface Note {
  readonly method?: string;
  readonly path?: string;
  readonly body?: Record<string, unknown>;
  readonly status?: number;
  readonly fault?: string;
  readonly drive?: string;
  readonly start?: string;
}

/** What a fake in that directory has noted. */
export function readNotes(directory: string): Note[] {
  const text = readFileSync(join(directory, journal), 'utf8');
  return text
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line) as Note);
}
