import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commands } from '../../../src/cli/command/index.ts';
import { UsageError } from '../../../src/cli/error.ts';
import { parseCommandLine } from '../../../src/cli/parse.ts';
import { findDuration } from '../../../src/cli/quantity.ts';

const parse = (line: string) => parseCommandLine(line.split(' ').filter(word => word !== ''));
const values = (line: string) => ({ ...parse(line).values });
const fails = (line: string, message: RegExp) =>
  assert.throws(
    () => parse(line),
    (error: unknown) => {
      assert.ok(error instanceof UsageError, String(error));
      assert.match(error.message, message);
      return true;
    },
  );

/** Each flag of run as it is written, and what it is read as. */
const runFlags: Readonly<Record<string, readonly [flags: string, value: unknown]>> = {
  env: ['-e A=1 --env B --env=C=x,y', ['A=1', 'B', 'C=x,y']],
  'env-file': ['--env-file a --env-file b', ['a', 'b']],
  workdir: ['-w /srv', '/srv'],
  user: ['-u 1000:www', '1000:www'],
  entrypoint: ['--entrypoint=', ''],
  memory: ['--memory 512M', 2 ** 29],
  cpus: ['--cpus 2', 2],
  name: ['--name web', 'web'],
  hostname: ['--hostname web.example', 'web.example'],
  rm: ['--rm', true],
  'read-only': ['--read-only', true],
  tmpfs: ['--tmpfs /tmp --tmpfs /run:size=1m,mode=755', ['/tmp', '/run:size=1m,mode=755']],
  network: ['--network user', 'user'],
  publish: ['-p 8080:80 -p 0.0.0.0:53:53/udp', ['8080:80', '0.0.0.0:53:53/udp']],
  volume: ['-v data:/data -v ./site:/site:ro', ['data:/data', './site:/site:ro']],
  kernel: ['--kernel vmlinux', 'vmlinux'],
  'kernel-args': ['--kernel-args quiet --kernel-args loglevel=7', ['quiet', 'loglevel=7']],
  vmm: ['--vmm cloud-hypervisor', 'cloud-hypervisor'],
  machine: ['--machine q35', 'q35'],
  accel: ['--accel tcg', 'tcg'],
  timeout: ['--timeout 1.5m', 90_000],
  'boot-timeout': ['--boot-timeout 500ms', 500],
  'upper-size': ['--upper-size 64M', 2 ** 26],
  scratch: ['--scratch 1G', 2 ** 30],
  verity: ['--verity', true],
  warm: ['--warm', true],
  interactive: ['-i', true],
  tty: ['-t', true],
  detach: ['-d', true],
  first: ['--first', true],
  console: ['--console', true],
  times: ['--times', true],
  format: ['--format squashfs', 'squashfs'],
  jobs: ['-j 2', 2],
  strict: ['--strict', true],
  progress: ['--progress json', 'json'],
  quiet: ['-q', true],
  json: ['--json', true],
  platform: ['--platform linux/arm64', 'linux/arm64'],
  policy: ['--policy never', 'never'],
  'no-cache': ['--no-cache', true],
  root: ['--root /srv/shale', '/srv/shale'],
  authfile: ['--authfile auth.json', 'auth.json'],
  'insecure-registry': ['--insecure-registry a,b', ['a', 'b']],
  'cert-dir': ['--cert-dir certs', 'certs'],
  retries: ['--retries 0', 0],
};

test('every flag of run, in front of the image', () => {
  const limits = commands.run.options.filter(name => name.startsWith('max-'));
  assert.deepEqual(
    Object.keys(runFlags).sort(),
    commands.run.options.filter(name => !limits.includes(name)).sort(),
  );
  for (const [name, [flags, value]] of Object.entries(runFlags)) {
    const line = parse(`run ${flags} alpine true`);
    assert.deepEqual([line.topic, line.operands], ['run', ['alpine', 'true']], flags);
    assert.deepEqual({ ...line.values }, { [name]: value }, flags);
  }
  const all = Object.values(runFlags).map(([flags]) => flags);
  assert.equal(Object.keys(values(`run ${all.join(' ')} alpine`)).length, all.length);
});

test('what follows the image belongs to the command, word for word', () => {
  const commandOf = (line: string) => parse(line).operands.slice(1);
  assert.deepEqual(commandOf('run alpine ls -la --json /'), ['ls', '-la', '--json', '/']);
  assert.deepEqual(commandOf('run alpine -- ls -la'), ['ls', '-la']);
  assert.deepEqual(commandOf('run -i alpine sh -c -- -x --'), ['sh', '-c', '--', '-x', '--']);
  assert.deepEqual(commandOf('run alpine -- -- x'), ['--', 'x']);
  assert.deepEqual(commandOf('run alpine --help'), ['--help']);
  assert.deepEqual(commandOf('run -- alpine -e'), ['-e']);
  assert.deepEqual(parseCommandLine(['run', 'alpine', 'echo', '', ' a b ']).operands, [
    'alpine',
    'echo',
    '',
    ' a b ',
  ]);
  assert.deepEqual(values('run -q alpine -q --rm'), { quiet: true });
  assert.deepEqual(parse('zone exec -it web sh -c id').operands, ['web', 'sh', '-c', 'id']);
  assert.deepEqual(values('zone exec -it web sh -t'), { interactive: true, tty: true });
  assert.deepEqual(values('run -it --help alpine'), { help: true });
});

test('letters mean what the command has them mean', () => {
  assert.deepEqual(values('run -itdv a:/b -u me -p 1:2 x'), {
    ...{ interactive: true, tty: true, detach: true, volume: ['a:/b'], user: 'me', publish: ['1:2'] },
  });
  assert.deepEqual(values('zone logs -ft -n 3 web'), { follow: true, timestamps: true, tail: 3 });
  assert.deepEqual(values('zone rm -fa'), { force: true, all: true });
  assert.deepEqual(values('login -u me -p x'), { username: 'me', password: 'x' });
  assert.deepEqual(values('gc -n'), { 'dry-run': true });
  assert.deepEqual(values('-Vv'), { version: true, verbose: true });
});

test('commands of several words, with flags in front, between and behind', () => {
  for (const [line, topic, operands] of [
    ['zone ls --json', 'zone ls', []],
    ['--root /x zone ls', 'zone ls', []],
    ['zone --root /x ls', 'zone ls', []],
    ['zone stop --grace 1m a b', 'zone stop', ['a', 'b']],
    ['zone kernel install', 'zone kernel install', []],
    ['zone kernel install a.deb -q', 'zone kernel install', ['a.deb']],
    ['zone kernel rm a b', 'zone kernel rm', ['a', 'b']],
    ['zone volume ls', 'zone volume ls', []],
    ['zone --help', 'zone', []],
    ['zone kernel --help', 'zone kernel', []],
    ['zone', 'zone', []],
    ['help zone ls', 'help', ['zone', 'ls']],
  ] as const) {
    const { topic: found, operands: given } = parse(line);
    assert.deepEqual([found, given], [topic, operands], line);
  }
});

test('what is wrong is named, with what was probably meant', () => {
  fails('run', /^run needs IMAGE: /);
  fails('run --memroy 1G x', /no flag --memroy \(did you mean --memory\?\)/);
  fails('run --vmm xen x', /"xen" is not one of auto, qemu, firecracker, cloud-hypervisor, uml$/);
  fails('run --network host x', /"host" is not one of none, user$/);
  fails('run --machine pc x', /is not one of microvm, q35$/);
  fails('run --format tar x', /is not one of squashfs, erofs$/);
  fails('run --timeout soon x', /"soon" is not a time such as 10, 10s/);
  fails('run --cpus 0 x', /"0" is not a number from 1/);
  fails('run --memory much x', /is not a size/);
  fails('run -e', /-e needs a value/);
  fails('run -e --rm x', /-e needs a value/);
  fails('run --env= x', /--env: "" is not/);
  fails('run --rm=yes x', /--rm takes no value/);
  fails('run --grace 1 x', /run has no flag --grace/);
  fails('zone exec web', /^zone exec needs COMMAND: /);
  fails('zone stop', /^zone stop needs ZONE: /);
  fails('zone commit web', /^zone commit needs NAME: /);
  fails('zone ls web', /^zone ls does not know what to do with "web"/);
  fails('zone lst', /no command "zone lst" \(did you mean zone ls\?\)/);
  fails('zone kernel instal', /no command "zone kernel instal" \(did you mean zone kernel install\?\)/);
  fails('zone frobnicate', /no command "zone frobnicate"$/);
  fails('zone --force', /zone has no flag --force/);
  fails('doctr', /no command "doctr" \(did you mean doctor\?\)/);
});

test('words of similar tools lead to the command', () => {
  for (const [words, topic] of [
    ['ps', 'zone ls'],
    ['exec', 'zone exec'],
    ['logs', 'zone logs'],
    ['stop', 'zone stop'],
    ['kernel', 'zone kernel'],
    ['volume', 'zone volume'],
    ['start', 'run'],
    ['zone ps', 'zone ls'],
    ['zone delete', 'zone rm'],
  ]) {
    fails(words!, new RegExp(`no command "${words}" \\(did you mean ${topic}\\?\\)`));
  }
});

test('times', () => {
  const times: Record<string, number | undefined> = {
    ...{
      '0': 0,
      '10': 10_000,
      '10s': 10_000,
      '1.5s': 1500,
      '500ms': 500,
      '5m': 300_000,
      '5 min': 300_000,
      '2h': 7_200_000,
    },
    ...{ '': undefined, s: undefined, '-1': undefined, '1d': undefined, '1e3': undefined, '1s2': undefined },
  };
  for (const [text, time] of Object.entries(times))
    assert.equal(findDuration(text), time, JSON.stringify(text));
});
