import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { guestInit } from './init.ts';

const repository = path.join(import.meta.dirname, '..', '..');
const parts = ['bin', 'src', 'test', 'guest/init-x86_64', 'package.json', 'node_modules/@koromix'];

export interface RootImageOptions {
  /** An empty directory that may be filled, on the same filesystem as the image if possible. */
  readonly directory: string;
  /** Programs of this machine, by name or path: they are taken along with their libraries. */
  readonly programs: readonly string[];
  /** A directory whose files come on top, with the libraries of this machine that its programs need. */
  readonly tree?: string | undefined;
}

/**
 * The root filesystem of a guest, as an ext4 image that it may write to: this Node, this repository at /shale, busybox for all that needs
 * no better, and the programs named. Nothing is installed: all are files of this machine.
 */
export function makeRootImage(image: string, { directory, programs, tree }: RootImageOptions): void {
  const at = (name: string) => path.join(directory, name);
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    mkdirSync(at(`usr/${name}`), { recursive: true });
    symlinkSync(`usr/${name}`, at(name));
  }
  for (const name of [
    'dev',
    'proc',
    'sys',
    'tmp',
    'run',
    'root',
    'etc',
    'mnt',
    'var/tmp',
    'usr/lib/busybox',
  ]) {
    mkdirSync(at(name), { recursive: true });
  }
  writeFileSync(at('etc/passwd'), 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n');
  writeFileSync(at('etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
  const copy = (source: string, target: string) => {
    if (existsSync(at(target))) return;
    mkdirSync(path.dirname(at(target)), { recursive: true });
    copyFileSync(source, at(target));
  };
  const libraries = new Set<string>();
  const copyProgram = (source: string, target: string) => {
    copy(source, target);
    for (const library of librariesOf(source, tree)) libraries.add(library);
  };
  copyProgram(process.execPath, 'usr/bin/node');
  copyProgram(find('busybox'), 'usr/bin/busybox');
  for (const program of programs) copyProgram(find(program), find(program));
  if (tree !== undefined) {
    for (const name of globSync('{sbin,usr/sbin,usr/bin}/*', { cwd: tree })) {
      copyProgram(path.join(tree, name), name);
    }
    for (const name of globSync('{lib,usr/lib}/*/*.so*', { cwd: tree })) copy(path.join(tree, name), name);
  }
  for (const library of libraries) copy(library, library);
  for (const applet of spawnSync('busybox', ['--list'], { encoding: 'utf8' }).stdout.trim().split('\n')) {
    symlinkSync('/usr/bin/busybox', at(`usr/lib/busybox/${applet}`));
  }
  if (!existsSync(at('usr/bin/sh'))) symlinkSync('busybox', at('usr/bin/sh'));
  const { dependencies } = JSON.parse(readFileSync(path.join(repository, 'package.json'), 'utf8'));
  for (const part of [...parts, ...Object.keys(dependencies).map(name => `node_modules/${name}`)]) {
    cpSync(path.join(repository, part), at(`shale/${part}`), { recursive: true });
  }
  writeFileSync(at('usr/sbin/init'), guestInit, { mode: 0o755 });
  writeFileSync(image, '');
  truncateSync(image, 2 ** 30);
  const features = ['-O', '^has_journal', '-E', 'lazy_itable_init=1,nodiscard'];
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-m', '0', ...features, '-d', directory, image]);
}

function find(program: string): string {
  if (program.startsWith('/')) return program;
  const found = spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program], { encoding: 'utf8' }).stdout.trim();
  if (found === '') throw new Error(`there is no ${program} to take along`);
  return found;
}

/** What a program needs of this machine; none of a script or a static program. What comes with the tree is found there. */
function librariesOf(program: string, tree: string | undefined): string[] {
  const own =
    tree === undefined ? {} : { LD_LIBRARY_PATH: globSync(`${tree}/{lib,usr/lib}/*-linux-*`).join(':') };
  const { stdout, status } = spawnSync('ldd', [program], {
    encoding: 'utf8',
    env: { ...process.env, ...own },
  });
  const all = status === 0 ? (stdout.match(/(?<=\s)\/\S+/g) ?? []) : [];
  return all.filter(library => tree === undefined || !library.startsWith(`${tree}/`));
}
