import { type SpawnSyncOptions, spawnSync } from 'node:child_process';
import {
  existsSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { listTree } from '../machine.ts';

/**
 * Debian packages as unpacked trees, for images made of real programs and libraries: downloaded with apt from where this
 * machine gets its packages, non-free ones too (NVIDIA's CUDA libraries and Intel's MKL), without a change to the machine.
 */
export interface Packages {
  /** The root of what `name` installs, made by `provide` before. */
  tree(name: string): string;
  /** Downloads and unpacks what of `names` is not there yet. */
  provide(names: readonly string[]): void;
}

/** `cache` keeps archives and trees. */
export function openPackages(cache: string): Packages {
  const archives = path.join(cache, 'archives');
  const trees = path.join(cache, 'trees');
  const tree = (name: string) => path.join(trees, name);
  return {
    tree,
    provide(names) {
      for (const directory of [archives, trees]) mkdirSync(directory, { recursive: true });
      const wanted = [...new Set(names)].filter(name => !existsSync(tree(name)));
      const missing = wanted.filter(name => findArchive(archives, name) === undefined);
      if (missing.length > 0) download(path.join(cache, 'apt'), archives, missing);
      for (const name of wanted) {
        const archive = findArchive(archives, name);
        if (archive === undefined) throw new Error(`apt-get download left no archive of ${name}`);
        const temporary = `${tree(name)}.unfinished`;
        rmSync(temporary, { recursive: true, force: true });
        run('dpkg-deb', ['--extract', path.join(archives, archive), temporary]);
        compilePython(temporary);
        renameSync(temporary, tree(name));
      }
    },
  };
}

function findArchive(archives: string, name: string): string | undefined {
  return readdirSync(archives).find(file => file.startsWith(`${name}_`) && file.endsWith('.deb'));
}

/** With lists of its own, for the machine's own do not name the non-free packages. */
function download(state: string, archives: string, names: readonly string[]): void {
  const codename = /^VERSION_CODENAME=(\w+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? '';
  const targets = run('apt-get', [
    'indextargets',
    '--format',
    '$(REPO_URI) $(RELEASE)',
    'Identifier: Packages',
  ]);
  const repository = targets.split('\n').find(line => line.endsWith(` ${codename}`));
  if (repository === undefined)
    throw new Error(`apt has no repository of ${codename}; the images need Debian's packages`);
  for (const directory of ['lists/partial', 'cache/archives/partial']) {
    mkdirSync(path.join(state, directory), { recursive: true });
  }
  writeFileSync(path.join(state, 'sources.list'), `deb ${repository} main contrib non-free\n`);
  const configuration = path.join(state, 'apt.conf');
  writeFileSync(
    configuration,
    `Dir::Etc::SourceList "${state}/sources.list";\nDir::Etc::SourceParts "/dev/null";\n` +
      `Dir::State::Lists "${state}/lists";\nDir::State::Status "/dev/null";\nDir::Cache "${state}/cache";\nAPT::Sandbox::User "root";\n`,
  );
  const options = { cwd: archives, env: { ...process.env, APT_CONFIG: configuration } };
  run('apt-get', ['update', '-qq'], options);
  run('apt-get', ['download', '-qq', ...names], options);
}

/**
 * What a package's installation adds: the compiled modules, which are about as many again as the sources. They say nothing
 * of where or when they were made.
 */
function compilePython(tree: string): void {
  const libraries = path.join(tree, 'usr', 'lib');
  const names = existsSync(libraries)
    ? readdirSync(libraries).filter(name => name.startsWith('python3'))
    : [];
  if (names.length === 0) return;
  const from = names.map(name => path.join(libraries, name));
  const options = ['-q', '-j', '2', '--invalidation-mode', 'unchecked-hash', '-s', tree, '-p', '/'];
  // Some packages hold modules that are not meant to compile: no matter.
  spawnSync('python3', ['-m', 'compileall', ...options, ...from], { stdio: 'ignore' });
  const compiled = from.flatMap(listTree).filter(({ file }) => file.endsWith('.pyc'));
  for (const { file } of compiled) {
    const source = file.replace(/__pycache__\/([^/]+?)\.cpython-[^/]*\.pyc$/, '$1.py');
    const time = statSync(source, { throwIfNoEntry: false })?.mtime;
    if (time !== undefined) lutimesSync(file, time, time);
  }
}

/** The program's output; its messages are the error's. */
export function run(program: string, args: readonly string[], options: SpawnSyncOptions = {}): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    maxBuffer: 2 ** 28,
    ...options,
    encoding: 'utf8',
  });
  if (status === 0) return stdout;
  throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? `status ${status}\n${stderr}`}`);
}
