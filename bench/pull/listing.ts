import { createHash } from 'node:crypto';
import { mkdirSync, rmdirSync } from 'node:fs';
import { run } from './packages.ts';

/** What a mounted root filesystem holds, so far as it can be told without reading the files. */
export interface Listing {
  readonly entries: number;
  /** Of regular files. */
  readonly bytes: number;
  /** Over path, type, mode, owner, size, link target and mtime of every entry; over path and mode alone of directories. */
  readonly digest: string;
}

/** Mounts with `mount`, lists, unmounts. */
export function listMounted(target: string, mount: (target: string) => void): Listing {
  mkdirSync(target, { recursive: true });
  mount(target);
  try {
    return listFiles(target);
  } finally {
    run('umount', [target]);
    rmdirSync(target);
  }
}

/** What lies below a directory. */
export function listFiles(directory: string): Listing {
  const others = '%P\\t%y\\t%m\\t%U:%G\\t%s\\t%l\\t%T@\\n';
  // Times and sizes of directories differ by filesystem and by what unpacking did last.
  const directories = '%P\\t%y\\t%m\\t%U:%G\\n';
  const test = ['(', '-type', 'd', '-printf', directories, '-o', '-printf', others, ')'];
  const lines = run('find', ['.', '-mindepth', '1', ...test], { cwd: directory })
    .trimEnd()
    .split('\n')
    .sort();
  const files = lines.map(line => line.split('\t')).filter(fields => fields[1] === 'f');
  return {
    entries: lines.length,
    bytes: files.reduce((sum, fields) => sum + Number(fields[4]), 0),
    digest: createHash('sha256').update(lines.join('\n')).digest('hex'),
  };
}
