/** `shale lab overlay`: what its steps claim is compared with what stat, getfattr and tar say of the directory that it leaves; and it leaves nothing else. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { requires } from '../requirement.ts';
import { bin, cleanEnvironment, type Ended, run, shale } from './fixture.ts';

interface Step {
  readonly step: number;
  readonly name: string;
  readonly commands: readonly {
    readonly command: string;
    readonly status: number;
    readonly output: string;
  }[];
}

interface Lab {
  readonly directory: string;
  readonly rootless: boolean;
  readonly steps: readonly Step[];
}

const tools = ['unshare', 'nsenter', 'mount', 'getfattr', 'setfattr', 'tar', 'setpriv', 'script', 'findmnt'];
const names = [
  ...[
    'namespace',
    'lowers',
    'view',
    'mount',
    'new-file',
    'copy-up',
    'metadata',
    'metacopy',
    'whiteout',
    'opaque',
  ],
  ...['by-hand', 'rename', 'redirect', 'layer-by-hand', 'layer', 'clean-up'],
];
/** Nobody on this machine. */
const somebody = 61_234;

/** A temporary directory of a user's own, which must be empty in the end. */
function temporary(uid = 0): Disposable & { readonly path: string } {
  const created = mkdtempSync(path.join(tmpdir(), 'shale-lab-test-'));
  chownSync(created, uid, uid);
  return { path: created, [Symbol.dispose]: () => rmSync(created, { recursive: true, force: true }) };
}

const asSomebody = [
  '--reuid',
  String(somebody),
  '--regid',
  String(somebody),
  '--clear-groups',
  process.execPath,
];

async function lab(uid: number, TMPDIR: string, ...args: string[]): Promise<Ended> {
  const options = { cwd: '/', env: { TMPDIR, HOME: TMPDIR, XDG_CACHE_HOME: '/dev/null' } };
  if (uid === 0) return await shale(['lab', 'overlay', ...args], options);
  return await run('setpriv', [...asSomebody, bin, 'lab', 'overlay', ...args], options);
}

/** What a judge prints. */
function judge(program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'latin1',
    env: { ...process.env, LC_ALL: 'C' },
  });
  assert.equal(status, 0, stderr);
  return stdout;
}

const overlays = () => readFileSync('/proc/self/mountinfo', 'latin1').match(/overlay-lab/g);

for (const [who, uid] of [
  ['root', 0],
  ['an ordinary user', somebody],
] as const) {
  const skip =
    requires({ tools, mounts: ['overlay'] }) || (uid !== 0 && !mayUnshare() && 'no user namespaces here');
  describe(`a lab of ${who}`, { skip }, () => {
    const prefix = uid === 0 ? 'trusted.overlay' : 'user.overlay';

    test('goes through all steps, and leaves on the disk what it says', async () => {
      using place = temporary(uid);
      const { status, stdout, stderr } = await lab(uid, place.path, '--json', '--keep');
      assert.equal(status, 0, stderr);
      const { directory, rootless, steps }: Lab = JSON.parse(stdout.toString());
      assert.equal(rootless, uid !== 0);
      assert.deepEqual(
        steps.map(({ name }) => name),
        names,
      );
      assert.deepEqual(readdirSync(place.path), [path.basename(directory)]);
      assert.match(stderr, /kept: /);
      assert.equal(overlays(), null);
      const upper = path.join(directory, 'upper');
      const stat = (name: string) => judge('stat', '-c', '%F %t:%T', path.join(upper, name)).trim();
      for (const name of ['bin/tool', 'bin/helper', 'etc'])
        assert.equal(stat(name), 'character special file 0:0', name);
      for (const name of ['share', 'spare']) {
        const value = judge(
          'getfattr',
          '--only-values',
          ...['-n', `${prefix}.opaque`],
          path.join(upper, name),
        );
        assert.equal(value, 'y', name);
      }
      // Copied up as a whole for its mode alone; the lowers are what they were.
      const table = judge(
        'stat',
        '-c',
        '%a %s',
        path.join(upper, 'table'),
        path.join(directory, 'base/table'),
      );
      assert.equal(table, '600 4194304\n644 4194304\n');
      assert.equal(readFileSync(path.join(directory, 'middle/etc/motd'), 'utf8'), 'Welcome to the middle.\n');
      assert.equal(
        readFileSync(path.join(upper, 'config/motd'), 'utf8'),
        'Welcome to the middle.\nOne line more.\n',
      );
      checkLayer(path.join(directory, 'layer.tar'), directory);
      if (uid === 0) checkFeatures(directory);
    });

    test('shows what the commands printed, not something that was written down', async () => {
      using place = temporary(uid);
      const { stdout } = await lab(uid, place.path, '--json');
      const { steps, directory }: Lab = JSON.parse(stdout.toString());
      const outputOf = (name: string, command: RegExp) =>
        steps.find(step => step.name === name)!.commands.find(each => command.test(each.command))!;
      assert.equal(outputOf('namespace', /^pwd/).output, `${directory}\n`);
      assert.ok(
        outputOf('mount', /mountinfo/).output.includes(` ${directory}/merged `),
        outputOf('mount', /mountinfo/).output,
      );
      assert.equal(outputOf('view', /^cat/).output, 'Welcome to the middle.\n');
      assert.match(outputOf('view', /^touch/).output, /Read-only file system/);
      assert.notEqual(outputOf('view', /^touch/).status, 0);
      assert.match(outputOf('rename', /^node/).output, /^EXDEV: /);
      assert.equal(outputOf('opaque', /^find/).output, 'merged/share\nmerged/share/readme\n');
      assert.equal(outputOf('by-hand', /^ls/).output, 'merged/bin:\n\nmerged/spare:\n');
      assert.match(outputOf('layer', /^diff/).output, /^the same names$/m);
      for (const name of ['metacopy', 'redirect'])
        assert.equal(outputOf(name, /^mount/).status === 0, uid === 0, name);
      assert.deepEqual(readdirSync(place.path), []);
    });

    test('a killed one leaves no mounts; the next one removes its directory, and not that of one that runs', async () => {
      using place = temporary(uid);
      using killed = interactive(uid, place.path);
      await killed.asked(2);
      const [left] = readdirSync(place.path);
      const namespaces = holders(left!);
      assert.equal(namespaces.length, 1);
      using living = interactive(uid, place.path);
      await living.asked(1);
      const both = readdirSync(place.path);
      assert.equal(both.length, 2);
      process.kill(killed.shale(), 'SIGKILL');
      await killed.ended;
      assert.ok(await isGone(namespaces[0]!), 'the namespace outlives it');
      assert.deepEqual(readdirSync(place.path).sort(), both.sort());
      assert.equal((await lab(uid, place.path, '--step', '1')).status, 0);
      assert.deepEqual(
        readdirSync(place.path),
        both.filter(name => name !== left),
      );
      living.type('q');
      assert.equal((await living.ended)[0], 0);
      assert.deepEqual(readdirSync(place.path), []);
    });

    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      test(`${signal} leaves nothing`, async () => {
        using place = temporary(uid);
        using session = interactive(uid, place.path);
        await session.asked(3);
        const [left] = readdirSync(place.path);
        const [holder] = holders(left!);
        process.kill(session.shale(), signal);
        await session.ended;
        assert.match(session.text(), /interrupted; nothing is left mounted/);
        assert.deepEqual(readdirSync(place.path), []);
        assert.ok(await isGone(holder!));
      });
    }
  });
}

describe('at a terminal', { skip: requires({ tools, mounts: ['overlay'] }) }, () => {
  test('Enter goes on, s opens a shell where the overlay is mounted, q ends', async () => {
    using place = temporary();
    using session = interactive(0, place.path);
    for (let step = 1; step < 5; step++) {
      await session.asked(step);
      session.type('\r');
    }
    await session.asked(5);
    session.type('s');
    await session.sees(/exit comes back/);
    session.type('findmnt -no FSTYPE merged; echo here > merged/here; cat upper/here; exit\n');
    await session.asked(6);
    assert.match(session.text(), /(^|[#$] )overlay\r?\nhere\r?$/m);
    session.type('q');
    const [status] = await session.ended;
    assert.equal(status, 0);
    assert.ok(session.text().includes('\x1b['), 'no colours');
    assert.deepEqual(readdirSync(place.path), []);
  });

  test('NO_COLOR: not one escape in what is shown', async () => {
    using place = temporary();
    using session = interactive(0, place.path, { NO_COLOR: '1' });
    await session.asked(1);
    session.type('q');
    await session.ended;
    assert.doesNotMatch(session.text().replaceAll('\r\x1b[K', ''), /\x1b/);
  });
});

describe('without what it takes', { skip: requires({ tools, mounts: ['overlay'] }) }, () => {
  const within = (script: string, TMPDIR: string) =>
    run('unshare', ['--user', '--map-root-user', '--mount', 'sh', '-c', script, process.execPath, bin], {
      env: { TMPDIR },
    });

  test('no namespaces: denied, with what to do', async () => {
    using place = temporary();
    const forbid = 'cd /proc/sys/user && echo 0 | tee max_user_namespaces > max_mnt_namespaces';
    const { status, stderr } = await within(`${forbid}; "$0" "$1" lab overlay --step 1`, place.path);
    assert.equal(status, 7, stderr);
    assert.match(stderr, /namespace cannot be had here.*\n {2}.*sysctl -w user\.max_/s);
    assert.deepEqual(readdirSync(place.path), []);
  });

  test('root of a user namespace: overlays with userxattr', async () => {
    using place = temporary();
    const { status, stdout, stderr } = await within('"$0" "$1" lab overlay --json', place.path);
    assert.equal(status, 0, stderr);
    assert.equal((JSON.parse(stdout.toString()) as Lab).rootless, true);
    assert.deepEqual(readdirSync(place.path), []);
  });

  test('a temporary directory on an overlay: a tmpfs, unless it is to be kept', async () => {
    using place = temporary();
    for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(path.join(place.path, name));
    const mount =
      'cd "$2" && mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged && export TMPDIR="$2"/merged';
    const tried = (rest: string) =>
      run('unshare', ['--mount', 'sh', '-c', `${mount} && ${rest}`, process.execPath, bin, place.path]);
    const { status, stdout, stderr } = await tried('"$0" "$1" lab overlay --json; ls -A "$TMPDIR" >&2');
    assert.equal(status, 0, stderr);
    assert.equal(stderr, '');
    assert.deepEqual(
      (JSON.parse(stdout.toString()) as Lab).steps.map(({ name }) => name),
      names,
    );
    const kept = await tried('"$0" "$1" lab overlay --keep; status=$?; ls -A "$TMPDIR"; exit $status');
    assert.equal(kept.status, 9, kept.stderr);
    assert.match(kept.stderr, /no writable overlay can be mounted here/);
    assert.equal(kept.stdout.toString(), '');
  });
});

test('--list names the steps, and --step takes a number or a name', async () => {
  const listed = await shale(['lab', 'overlay', '--list']);
  assert.equal(listed.status, 0);
  const rows = listed.stdout.toString().trim().split('\n').slice(1);
  assert.deepEqual(
    rows.map(row => row.trim().split(/\s+/).slice(0, 2)),
    names.map((name, index) => [String(index + 1), name]),
  );
  const wrong = await shale(['lab', 'overlay', '--step', '17']);
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /there is no step "17"/);
});

test('--step shows one step, with those before it done', {
  skip: requires({ tools, mounts: ['overlay'] }),
}, async () => {
  using place = temporary();
  const { status, stdout } = await lab(0, place.path, '--step', 'opaque', '--json');
  assert.equal(status, 0);
  const { steps }: Lab = JSON.parse(stdout.toString());
  assert.deepEqual(
    steps.map(({ step, name }) => [step, name]),
    [[10, 'opaque']],
  );
  const text = (await lab(0, place.path, '--step', '10')).stdout.toString();
  assert.match(text, /^── 10\/16 opaque: .*\n\n/);
  assert.ok(text.includes('\n$ mkdir merged/share\n'), text);
  assert.doesNotMatch(text, /9\/16|\x1b/);
});

/** The layer as GNU tar lists it, and as the upper itself says it must be. */
function checkLayer(layer: string, directory: string): void {
  const listed = judge('tar', '-tf', layer).trim().split('\n').sort();
  assert.equal(listed.shift(), './');
  const expected = judge('sh', '-c', 'cd "$0/upper" && find . -mindepth 1 -printf "%P %y\\n"', directory)
    .trim()
    .split('\n')
    .map(line => {
      const [name = '', type] = line.split(' ');
      if (type === 'c') return path.join(path.dirname(name), `.wh.${path.basename(name)}`);
      return type === 'd' ? `${name}/` : name;
    });
  assert.deepEqual(listed, [...expected, 'share/.wh..wh..opq', 'spare/.wh..wh..opq'].sort());
  // Owners are those inside of the namespace, and nothing of OverlayFS is carried along.
  const verbose = judge('tar', '--numeric-owner', '--xattrs', '--xattrs-include=*', '-tvvf', layer);
  for (const line of verbose.trim().split('\n')) assert.match(line, / 0\/0 /);
  assert.doesNotMatch(verbose, /overlay/);
  const content = judge('tar', '-xOf', layer, 'config/motd');
  assert.equal(content, 'Welcome to the middle.\nOne line more.\n');
}

/** What only root's overlays have. */
function checkFeatures(directory: string): void {
  const meta = path.join(directory, 'upper-meta/table');
  const [size, blocks] = judge('stat', '-c', '%s %b', meta).split(' ').map(Number);
  assert.equal(size, 4_194_304);
  assert.ok(blocks! < 100, `${blocks} blocks`);
  assert.match(judge('getfattr', '-d', '-m', '-', meta), /^trusted\.overlay\.metacopy/m);
  const renamed = path.join(directory, 'upper-redirect/config');
  assert.equal(judge('getfattr', '--only-values', '-n', 'trusted.overlay.redirect', renamed), 'etc');
  assert.deepEqual(readdirSync(renamed), []);
}

/** A lab at a pseudo-terminal. */
interface Interactive extends Disposable {
  readonly ended: Promise<[status: number | null]>;
  text(): string;
  type(keys: string): void;
  /** Its process. */
  shale(): number;
  /** Waits until it asks for the n-th time; answers Enter before that. */
  asked(times: number): Promise<void>;
  sees(pattern: RegExp): Promise<void>;
}

function interactive(uid: number, TMPDIR: string, env: NodeJS.ProcessEnv = {}): Interactive {
  const command = `exec ${uid === 0 ? process.execPath : `setpriv ${asSomebody.join(' ')}`} ${bin} lab overlay`;
  const child: ChildProcess = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd: '/',
    env: cleanEnvironment({
      ...{ TMPDIR, HOME: TMPDIR, XDG_CACHE_HOME: '/dev/null', TERM: 'xterm', SHELL: '/bin/sh' },
      ...env,
    }),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout!.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  child.stdin!.on('error', () => {});
  const ended = once(child, 'close') as Promise<[number | null]>;
  const type = (keys: string) => void child.stdin!.write(keys);
  const until = async (is: () => boolean) => {
    for (let tries = 0; !is(); tries++) {
      assert.ok(tries < 1500 && child.exitCode === null, `it is not as expected: ${text}`);
      await setTimeout(20);
    }
  };
  const questions = () => text.match(/q: quit/g)?.length ?? 0;
  let answered = 0;
  return {
    ended,
    text: () => text,
    type(keys) {
      answered += 1;
      type(keys);
    },
    shale: () => Number(judge('pgrep', '-P', String(child.pid)).trim()),
    async asked(times) {
      for (let next = Math.max(1, questions()); next <= times; next++) {
        await until(() => questions() >= next);
        if (next < times && answered < next) this.type('\r');
      }
    },
    sees: async pattern => await until(() => pattern.test(text)),
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  };
}

/** The processes that hold the namespace in which the scratch directory's overlay is mounted. */
function holders(scratch: string): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(pid => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        return command.includes('read -r _') && isBelow(pid, scratch);
      } catch {
        return false;
      }
    });
}

/** Whether it was started by the lab that works there: that has the directory open, for its lock. */
function isBelow(pid: number, scratch: string): boolean {
  const parent = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  const open = spawnSync('find', [`/proc/${parent}/fd`, '-lname', `*${scratch}`], { encoding: 'latin1' });
  return open.stdout !== '';
}

async function isGone(pid: number): Promise<boolean> {
  for (let tries = 0; tries < 250; tries++) {
    if (spawnSync('kill', ['-0', String(pid)]).status !== 0) return true;
    await setTimeout(20);
  }
  return false;
}

function mayUnshare(): boolean {
  const args = ['--reuid', String(somebody), '--regid', String(somebody), '--clear-groups'];
  return spawnSync('setpriv', [...args, 'unshare', '--user', '--map-root-user', 'true']).status === 0;
}
