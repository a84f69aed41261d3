import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { formatDoctor } from '../../../src/cli/run/doctor.ts';
import { formatReport } from '../../../src/cli/run/zone/inspect.ts';
import { formatKernels } from '../../../src/cli/run/zone/kernel-ls.ts';
import { formatZones } from '../../../src/cli/run/zone/ls.ts';
import { formatVolumes } from '../../../src/cli/run/zone/volume-ls.ts';
import { DetachKeys } from '../../../src/cli/terminal/detach-keys.ts';
import { createConsole } from '../../../src/cli/zone/console.ts';
import { readEnvironment } from '../../../src/cli/zone/environment.ts';
import { formatTimes } from '../../../src/cli/zone/launch-times.ts';
import { createLogPrinter, type LogPrinterOptions } from '../../../src/cli/zone/log-printer.ts';
import { findSignal } from '../../../src/cli/zone/signal-name.ts';
import type { ZoneSummary } from '../../../src/engine/zone/report.ts';
import { temporary } from '../fixture.ts';

const zone: ZoneSummary = {
  ...{
    id: '0123456789ab',
    name: 'web',
    image: 'docker.io/library/nginx:latest',
    command: ['nginx', '-g', 'daemon off;'],
  },
  ...{ state: 'running', created: '2026-01-01T00:00:00Z', vmm: 'qemu', memory: 2 ** 29, cpus: 1 },
};
const now = Date.parse('2026-01-01T02:00:00Z');

test('the table of zones: states with their status, and nothing that steers a terminal', () => {
  const lines = formatZones(
    [
      zone,
      {
        ...zone,
        name: 'e\x1b[31mvil',
        state: 'exited',
        status: 137,
        command: ['sh', '-c', "it's\n".repeat(30)],
      },
      { ...zone, name: 'gone', state: 'lost', command: [] },
    ],
    { now },
  );
  assert.match(lines[0]!, /^ID +NAME +IMAGE +COMMAND +STATE +CREATED +VMM$/);
  assert.match(
    lines[1]!,
    /^0123456789ab +web +nginx:latest +nginx -g 'daemon off;' +running +2 hours ago +qemu$/,
  );
  assert.match(lines[2]!, /^0123456789ab +e\\x1b\[31mvil .*… +exited \(137\) /);
  assert.match(lines[3]!, / gone .* lost /);
  for (const line of lines) assert.doesNotMatch(line, /[\x00-\x1f]/);
});

test('the tables of kernels and volumes', () => {
  const kernel = {
    ...{ name: 'linux-image-x', release: '6.1.0', digest: 'sha256:0', bytes: 1e8, modules: 1234 },
    ...{ isDefault: true, installed: '2026-01-01T00:00:00Z' },
  };
  const [head, line] = formatKernels([kernel], { now });
  assert.match(head!, /^ +NAME +RELEASE +MODULES +SIZE +INSTALLED$/);
  assert.match(line!, /^\* +linux-image-x +6\.1\.0 +1,234 +100 MB +2 hours ago$/);
  const volume = { name: 'data', path: '/v/data', size: 1e9, used: 2e6, zones: ['web', 'db'] };
  assert.match(formatVolumes([volume])[1]!, /^data +1\.00 GB +2\.00 MB +web, db$/);
  assert.match(formatVolumes([{ ...volume, zones: [] }])[1]!, / -$/);
});

test('a report of one zone has a line for each fact that there is', () => {
  const text = formatReport({
    ...zone,
    interactive: false,
    terminal: true,
    stopSignal: 'SIGQUIT',
    status: undefined,
  });
  const line = (name: string) => text.find(line => line.startsWith(`${name} `))?.replace(/^.*? {2,}/, '');
  assert.equal(line('memory'), '512M');
  assert.equal(line('stop signal'), 'SIGQUIT');
  assert.equal(line('command'), '["nginx","-g","daemon off;"]');
  assert.equal(line('status'), undefined);
});

test('doctor says what works, and what to do about the rest', () => {
  const checks = [
    { name: 'qemu', ok: true as const, detail: 'KVM, 7.2' },
    { name: 'kernel', ok: 'degraded' as const, detail: 'an old one', hint: 'shale zone kernel install' },
    { name: 'firecracker', ok: false as const, detail: 'not on PATH' },
  ];
  const all = formatDoctor({ checks, usable: true }, { all: true }).join('');
  assert.match(all, /^ok {4}qemu {9}KVM, 7\.2$/m);
  assert.match(all, /^poor {2}kernel {7}an old one\n {19}shale zone kernel install$/m);
  assert.match(all, /^no {4}firecracker {2}not on PATH\nzones can run here\n$/m);
  const mounts = formatDoctor({ checks, usable: false, mountable: true }, { all: true }).join('');
  assert.match(mounts, /\nimages can be mounted here\nzones cannot run here\n$/);
  const some = formatDoctor({ checks, usable: false }, { all: false }).join('');
  assert.doesNotMatch(some, /qemu|zones/);
});

test('times of a launch are one column', () => {
  const steps = [
    { name: 'kernel', milliseconds: 612.34 },
    { name: 'init', milliseconds: 8 },
  ];
  assert.deepEqual(formatTimes({ steps, total: 620.34, warm: false }), [
    'kernel  612.3 ms',
    'init      8.0 ms',
    'total   620.3 ms',
  ]);
  assert.match(formatTimes({ steps, total: 1, warm: true }).at(-1)!, /^total, warm/);
});

test('a console is shown line by line, escaped, and never held without bound', () => {
  const lines: string[] = [];
  const write = createConsole(line => lines.push(line));
  write('[ 0.1] boo');
  write('t\r\n\x1b[31mred\nrest');
  assert.deepEqual(lines, ['[ 0.1] boot', '\\x1b[31mred']);
  write('x'.repeat(10_000));
  assert.ok(lines.slice(2).length === 2 && lines.slice(2).every(line => line.length === 4096));
});

test('signals by name, by short name, by number', () => {
  for (const word of ['TERM', 'SIGTERM', 'sigterm', '15']) assert.equal(findSignal(word), 'SIGTERM');
  for (const word of ['', 'SIG', 'NOPE', '0', '999', '-9', '1.5'])
    assert.equal(findSignal(word), undefined, word);
});

test('variables: values, those of the caller, files; the later counts', () => {
  using directory = temporary();
  const file = directory.file('env');
  writeFileSync(file, '\ufeffA=file\n# no\r\n\nB=b=b "quoted"\r\nSHALE_TEST_INHERITED\n');
  process.env.SHALE_TEST_INHERITED = '';
  try {
    const env = ['A=1', 'SHALE_TEST_UNSET', 'A=2', 'E='];
    assert.deepEqual(readEnvironment({ env, 'env-file': [file] }), [
      ...['A=2', 'B=b=b "quoted"', 'SHALE_TEST_INHERITED=', 'E='],
    ]);
  } finally {
    delete process.env.SHALE_TEST_INHERITED;
  }
  assert.deepEqual(readEnvironment({}), []);
  assert.throws(() => readEnvironment({ env: ['=x'] }), /--env: "=x" is not NAME=VALUE/);
  assert.throws(
    () => readEnvironment({ 'env-file': [directory.file('none')] }),
    /reading .*none: .*\(ENOENT\)/,
  );
});

/** What a printer writes of the records, to which stream. */
async function printed(
  options: Pick<LogPrinterOptions, 'timestamps' | 'tail'>,
  records: readonly (readonly [stream: 'stdout' | 'stderr', text: string])[],
): Promise<string[]> {
  const out: string[] = [];
  const write = (name: string) => async (bytes: Uint8Array) => void out.push(`${name} ${Buffer.from(bytes)}`);
  const printer = createLogPrinter({ ...options, stdout: write('1'), stderr: write('2') });
  for (const [index, [stream, text]] of records.entries()) {
    if (text === 'CAUGHT UP') await printer.catchUp();
    else await printer.take({ time: new Date(index), stream, bytes: Buffer.from(text) });
  }
  await printer.catchUp();
  return out;
}

test('logs: bytes as they are, lines with the time at which each began, only the last of them', async () => {
  assert.deepEqual(
    await printed({ timestamps: false }, [
      ['stdout', 'a\nb'],
      ['stderr', 'x'],
    ]),
    ['1 a\nb', '2 x'],
  );
  const records = [
    ['stdout', 'a\nb'],
    ['stderr', 'err\n'],
    ['stdout', 'b\nc\n'],
  ] as const;
  assert.deepEqual(await printed({ timestamps: true }, records), [
    ...['1 1970-01-01T00:00:00.000Z a\n', '1 1970-01-01T00:00:00.000Z b'],
    ...['2 1970-01-01T00:00:00.001Z err\n', '1 b\n', '1 1970-01-01T00:00:00.002Z c\n'],
  ]);
  assert.deepEqual(await printed({ timestamps: false, tail: 2 }, records), ['2 err\n', '1 b\n', '1 c\n']);
  assert.deepEqual(await printed({ timestamps: false, tail: 0 }, records), []);
  assert.deepEqual(await printed({ timestamps: false, tail: 9 }, records).then(all => all.length), 5);
  const followed = [...records, ['stdout', 'CAUGHT UP'], ['stdout', 'd\n'], ['stdout', 'e\n']] as const;
  assert.deepEqual(await printed({ timestamps: false, tail: 1 }, followed), ['1 c\n', '1 d\n', '1 e\n']);
});

test('the keys that let go, wherever the bytes are cut', () => {
  const type = (...chunks: string[]) => {
    const keys = new DetachKeys();
    let text = '';
    for (const chunk of chunks) {
      const { pass, detached } = keys.type(Buffer.from(chunk));
      text += Buffer.from(pass).toString();
      if (detached) return `${text}!`;
    }
    return text;
  };
  assert.equal(type('abc', 'd'), 'abcd');
  assert.equal(type('ab\x10\x11cd'), 'ab!');
  assert.equal(type('ab\x10', '\x11'), 'ab!');
  assert.equal(type('\x10', '\x10', '\x11'), '\x10!');
  assert.equal(type('\x10x', '\x11'), '\x10x\x11');
  assert.equal(type('\x10'), '');
});
