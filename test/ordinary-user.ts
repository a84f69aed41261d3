import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { makeNode, removeTree } from '../src/host/index.ts';
import { requires } from './requirement.ts';

/** What tests that use this need: `skip: requiresUser()`. */
export const requiresUser = (...tools: readonly string[]) =>
  requires({ tools: ['unshare', 'nsenter', 'setpriv', 'newuidmap', 'newgidmap', ...tools], root: true });

/** Ids that nobody has. */
const id = 2_100_000_000;
const subordinate = { start: 2_110_000_000, count: 65_536 };

const repository = path.join(import.meta.dirname, '..');
const fuseDevice = { major: 10, minor: 229 };

export interface UserOptions {
  /** The text of /etc/subuid and /etc/subgid, if they are not to give this user ids. */
  readonly subordinate?: string;
  /** Whether he may use /dev/fuse, as is usual; machines without udev keep it to root. */
  readonly fuse?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
}

/** An ordinary user, who exists for what `run` starts, and nowhere else on the machine. */
export interface OrdinaryUser extends Disposable {
  readonly name: string;
  readonly id: number;
  readonly home: string;
  /** The checkout, and Node, where he may read them. */
  readonly shale: readonly [node: string, script: string];
  readonly repository: string;
  run(...words: readonly string[]): SpawnSyncReturns<string>;
  /** The words that a child process starts with to be his. */
  words(...words: readonly string[]): [string, ...string[]];
  readonly environment: NodeJS.ProcessEnv;
}

/** Makes one, by files of his own over those of the machine in a private mount namespace. Disposing ends his namespace and removes his files. */
export function createUser(options: UserOptions = {}): OrdinaryUser {
  const directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'shale-user-')));
  const at = (name: string) => path.join(directory, name);
  const name = 'shale-test';
  const subordinates = options.subordinate ?? `${name}:${subordinate.start}:${subordinate.count}\n`;
  chmodSync(directory, 0o755);
  for (const own of ['home', 'tmp']) {
    mkdirSync(at(own));
    chownSync(at(own), id, id);
  }
  for (const place of ['checkout', 'node']) mkdirSync(at(place));
  const files: Readonly<Record<string, string>> = {
    passwd: `${readFileSync('/etc/passwd', 'utf8')}${name}:x:${id}:${id}::${at('home')}:/bin/sh\n`,
    group: `${readFileSync('/etc/group', 'utf8')}${name}:x:${id}:\n`,
    subuid: subordinates,
    subgid: subordinates,
  };
  const binds: [string, string][] = [
    [repository, at('checkout')],
    [path.dirname(process.execPath), at('node')],
  ];
  for (const [file, text] of Object.entries(files)) {
    writeFileSync(at(file), text);
    if (existsSync(`/etc/${file}`)) binds.push([at(file), `/etc/${file}`]);
  }
  if (existsSync('/dev/fuse')) {
    makeNode(at('fuse'), 'character', fuseDevice.major, fuseDevice.minor);
    chmodSync(at('fuse'), options.fuse === false ? 0o600 : 0o666);
    binds.push([at('fuse'), '/dev/fuse']);
  }
  // Pairs of paths to bind, an empty word, then the command.
  const script = 'while [ -n "$1" ]; do mount --bind "$1" "$2" && shift 2 || exit 99; done; shift; exec "$@"';
  const user = [`--reuid=${id}`, `--regid=${id}`, '--clear-groups'];
  const words = (...command: readonly string[]): [string, ...string[]] => [
    ...(['unshare', '--mount', '--propagation', 'private', '/bin/sh', '-c', script, 'sh'] as const),
    ...[...binds.flat(), '', 'setpriv', ...user, '--', ...command],
  ];
  const environment = {
    PATH: `${at('node')}:/usr/bin:/bin:/usr/sbin:/sbin`,
    ...{ HOME: at('home'), TMPDIR: at('tmp'), SHALE_DEBUG: process.env.SHALE_DEBUG },
    ...options.environment,
  };
  const run = (...command: readonly string[]) => {
    const [program, ...rest] = words(...command);
    return spawnSync(program, rest, {
      encoding: 'utf8',
      cwd: at('home'),
      env: environment,
      timeout: 300_000,
    });
  };
  const shale = [path.join(at('node'), 'node'), path.join(at('checkout'), 'bin', 'shale.js')] as const;
  return {
    ...{ name, id, home: at('home'), shale, repository: at('checkout'), run, words, environment },
    [Symbol.dispose]() {
      run(...shale, 'unshare', '--end', '--force');
      removeTree(directory);
    },
  };
}
