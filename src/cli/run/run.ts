import type { RunRequest, RunResult, ZoneStreams } from '../../engine/zone/request.ts';
import { runZone } from '../../engine/zone/run.ts';
import type { Invocation } from '../command/index.ts';
import { UsageError } from '../error.ts';
import { readImageOptions } from '../image-options.ts';
import type { Values } from '../option.ts';
import { print, printBytes, printErrorBytes, printJson, safe, tell } from '../output.ts';
import { openProgressLater } from '../progress/later.ts';
import type { Progress } from '../progress/progress.ts';
import { readEnvironment } from '../zone/environment.ts';
import { type Session, withSession } from '../zone/session.ts';

export async function run(invocation: Invocation): Promise<number> {
  const { values } = invocation;
  check(values);
  const progress = openProgressLater(values, { elsewhere: 'plain', reading: 'rendering' });
  try {
    return values.detach === true
      ? await runDetached(invocation, progress)
      : await runAttached(invocation, progress);
  } finally {
    progress.end();
  }
}

async function runAttached(invocation: Invocation, progress: Progress): Promise<number> {
  const { operands, values } = invocation;
  const { interactive = false, tty = false } = values;
  return await withSession(invocation, { interactive, tty, mayDetach: true }, async session => {
    const result = await runZone(operands[0]!, {
      ...(await readRequest(invocation, progress, session.tell)),
      ...{ signal: session.signal, streams: session.streams },
      onStart: zone => {
        progress.end();
        session.onStart(zone);
      },
    });
    await reportRun(result, values, session);
    return result;
  });
}

async function reportRun(
  { warnings, status, name }: RunResult,
  values: Values,
  session: Session,
): Promise<void> {
  if (warnings !== undefined) {
    const { reportWarnings } = await import('../warnings.ts');
    reportWarnings(warnings, values);
  }
  if (status === undefined && !values.quiet) {
    session.tell('');
    session.tell(`zone ${safe(name)} goes on; shale zone attach ${safe(name)} takes it up again`);
  }
}

async function runDetached(invocation: Invocation, progress: Progress): Promise<number> {
  const { operands, values } = invocation;
  const request = {
    ...(await readRequest(invocation, progress, tell)),
    detach: true,
    streams: noStreams(values),
  };
  const { id, name, warnings } = await runZone(operands[0]!, request);
  progress.end();
  if (warnings !== undefined) {
    const { reportWarnings } = await import('../warnings.ts');
    reportWarnings(warnings, values);
  }
  if (values.json) printJson({ id, name });
  else print(`${safe(id)}\n`);
  return 0;
}

/** Of a zone that is left alone: what the command is to have for whoever attaches later, and nobody at the other end. */
function noStreams({ interactive, tty }: Values): ZoneStreams {
  const never = { next: () => new Promise<never>(() => {}) };
  return {
    ...{ stdout: printBytes, stderr: printErrorBytes },
    ...(interactive && { stdin: { [Symbol.asyncIterator]: () => never } }),
    ...(tty && { terminal: { size: () => ({ rows: 24, columns: 80 }), onResize: () => () => {} } }),
  };
}

/** Flags that contradict each other. */
function check(values: Values): void {
  if (values.network === 'none' && values.publish !== undefined)
    throw usage('--publish needs a network, and --network none is the lack of one');
  if (values.scratch !== undefined && values['upper-size'] !== undefined)
    throw usage('--upper-size is of memory, and --scratch writes to a disk: only one of them');
  if (values['read-only'] && (values.scratch !== undefined || values['upper-size'] !== undefined))
    throw usage('with --read-only there is nothing for --scratch or --upper-size to hold');
  if (values.json && values.detach !== true)
    throw usage('--json is for --detach: otherwise standard output is the command’s');
}

function usage(message: string): UsageError {
  return new UsageError(message, 'see shale run --help');
}

type Request = Omit<RunRequest, 'streams' | 'onStart'>;

async function readRequest(
  invocation: Invocation,
  progress: Progress,
  tell: (line: string) => void,
): Promise<Request> {
  const { operands, values } = invocation;
  const [, ...command] = operands;
  const { workdir, user, name, hostname, cpus, kernel, vmm, machine, verity, warm, first, entrypoint } =
    values;
  const { tmpfs, publish, scratch, volume: volumes, accel: acceleration, rm: remove, quiet } = values;
  // Its `memory` is that of --memory, which is the zone's here.
  const image = readImageOptions(invocation, event => progress.update(event));
  const hasLimits = Object.keys(image.limits ?? {}).length > 0;
  return {
    ...image,
    policy: image.policy ?? 'if-not-present',
    // Without any the engine need not look at the layers of an image that is rendered.
    limits: hasLimits ? image.limits : undefined,
    ...{ workdir, user, name, hostname, cpus, kernel, vmm, machine, verity, warm, first, entrypoint },
    ...{ tmpfs, publish, scratch, volumes, acceleration, remove },
    command: command.length > 0 ? command : undefined,
    env: readEnvironment(values),
    readOnly: values['read-only'],
    network: values.network ?? (publish === undefined ? 'none' : 'user'),
    kernelArguments: values['kernel-args']?.flatMap(words => words.split(/\s+/).filter(word => word !== '')),
    upperSize: values['upper-size'],
    timeout: values.timeout || undefined,
    bootTimeout: values['boot-timeout'] || undefined,
    format: values.format as RunRequest['format'],
    onConsole: values.console && (await import('../zone/console.ts')).createConsole(tell),
    onTimes: values.times && (await import('../zone/launch-times.ts')).createTimesPrinter(tell),
    onNotice: quiet ? undefined : text => tell(`shale: ${safe(text)}`),
  };
}
