import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A directory that goes away with its scope. */
export class Scratch implements Disposable {
  readonly path = mkdtempSync(path.join(tmpdir(), 'shale-engine-'));

  file(...names: string[]): string {
    return path.join(this.path, ...names);
  }

  /** A new directory below. */
  directory(...names: string[]): string {
    const made = this.file(...names);
    mkdirSync(made, { recursive: true });
    return made;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
