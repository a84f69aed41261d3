import { type CommandName, findCommand, type Run } from './command/index.ts';
import { usageStatus } from './error.ts';
import { reportFailure } from './failure.ts';
import { watchInterrupts, watchPipes } from './interrupt.ts';
import { flush, formatJson, print, printJson, tell } from './output.ts';
import { type CommandLine, parseCommandLine } from './parse.ts';

/** A command's code is loaded only when it runs. */
const load: Readonly<Record<CommandName, () => Promise<{ readonly run: Run }>>> = {
  pull: () => import('./run/pull.ts'),
  render: () => import('./run/render.ts'),
  push: () => import('./run/push.ts'),
  copy: () => import('./run/copy.ts'),
  inspect: () => import('./run/inspect.ts'),
  verify: () => import('./run/verify.ts'),
  why: () => import('./run/why.ts'),
  ls: () => import('./run/ls.ts'),
  cat: () => import('./run/cat.ts'),
  images: () => import('./run/images.ts'),
  tag: () => import('./run/tag.ts'),
  rm: () => import('./run/rm.ts'),
  gc: () => import('./run/gc.ts'),
  du: () => import('./run/du.ts'),
  fsck: () => import('./run/fsck.ts'),
  login: () => import('./run/login.ts'),
  logout: () => import('./run/logout.ts'),
  mount: () => import('./run/mount.ts'),
  umount: () => import('./run/umount.ts'),
  diff: () => import('./run/diff.ts'),
  commit: () => import('./run/commit.ts'),
  'snapshot prepare': () => import('./run/snapshot/prepare.ts'),
  'snapshot view': () => import('./run/snapshot/view.ts'),
  'snapshot commit': () => import('./run/snapshot/commit.ts'),
  'snapshot mounts': () => import('./run/snapshot/mounts.ts'),
  'snapshot rm': () => import('./run/snapshot/rm.ts'),
  'snapshot ls': () => import('./run/snapshot/ls.ts'),
  'snapshot usage': () => import('./run/snapshot/usage.ts'),
  run: () => import('./run/run.ts'),
  'zone ls': () => import('./run/zone/ls.ts'),
  'zone logs': () => import('./run/zone/logs.ts'),
  'zone exec': () => import('./run/zone/exec.ts'),
  'zone attach': () => import('./run/zone/attach.ts'),
  'zone stop': () => import('./run/zone/stop.ts'),
  'zone kill': () => import('./run/zone/kill.ts'),
  'zone rm': () => import('./run/zone/rm.ts'),
  'zone inspect': () => import('./run/zone/inspect.ts'),
  'zone commit': () => import('./run/zone/commit.ts'),
  'zone kernel install': () => import('./run/zone/kernel-install.ts'),
  'zone kernel ls': () => import('./run/zone/kernel-ls.ts'),
  'zone kernel rm': () => import('./run/zone/kernel-rm.ts'),
  'zone kernel use': () => import('./run/zone/kernel-use.ts'),
  'zone volume ls': () => import('./run/zone/volume-ls.ts'),
  'zone volume rm': () => import('./run/zone/volume-rm.ts'),
  serve: () => import('./run/serve.ts'),
  unshare: () => import('./run/unshare.ts'),
  'lab overlay': () => import('./run/lab/overlay.ts'),
  doctor: () => import('./run/doctor.ts'),
  help: () => import('./run/help.ts'),
};

/**
 * The command line: the one place that reads arguments and prints. `option.ts` and `command.ts` are tables; parsing, --help,
 * suggestions and the manual are all derived from them. What a command does is in `run/`, loaded when it runs, so that help, the
 * version and mistakes are answered before anything else is loaded.
 *
 * Standard output is for data, standard error for people. Ends the process, with 0, the status of the error's code, 2 for wrong
 * usage, or 128 and the number of a signal. Never rejects.
 */
export async function main(args: string[]): Promise<void> {
  watchPipes();
  let line: CommandLine | undefined;
  const report = (error: unknown) =>
    reportFailure(error, {
      json: line === undefined ? args.includes('--json') : line.values.json === true,
      jsonLines: line?.values.progress === 'json',
    });
  process.on('uncaughtException', error => process.exit(report(error)));
  let status: number;
  try {
    line = parseCommandLine(args);
    status = await dispatch(line);
  } catch (error) {
    status = report(error);
  }
  await flush();
  process.exit(status);
}

async function dispatch({ topic, operands, values }: CommandLine): Promise<number> {
  if (values.version) {
    const { formatVersion } = await import('./version.ts');
    print(formatVersion(values));
    return 0;
  }
  if (values.help || topic === undefined || findCommand(topic) === undefined) {
    const { formatHelp, formatOverview } = await import('./help.ts');
    const text = topic === undefined ? formatOverview() : formatHelp(topic);
    if (!values.help) process.stderr.write(text);
    else print(text);
    return values.help ? 0 : usageStatus;
  }
  const command = topic as CommandName;
  const interruption = watchInterrupts();
  try {
    const { namespace } = findCommand(command)!;
    if (namespace !== undefined) {
      const { enterNamespace } = await import('../engine/namespace.ts');
      const needed = namespace === 'always' && operands.length > 0;
      await enterNamespace({ root: values.root, signal: interruption.signal, needed });
    }
    const { run } = await load[command]();
    return await run({ operands, values, signal: interruption.signal, interruption });
  } catch (error) {
    const interrupted = interruption.status();
    if (interrupted === undefined) throw error;
    const left = leftBehind[command] ?? 'no unfinished output is left';
    // Programs that asked for JSON read this as well.
    if (values.json)
      printJson({ error: { code: 'cancelled', message: 'interrupted', detail: {}, hint: left } });
    if (values.progress === 'json')
      tell(formatJson({ event: 'error', code: 'cancelled', message: 'interrupted' }));
    else tell(`shale: interrupted; ${left}`);
    return interrupted;
  }
}

/** What an interrupt leaves, where it is not nothing. */
const leftBehind: Readonly<Partial<Record<CommandName, string>>> = {
  pull: 'what was downloaded is kept for the next time',
  run: 'the zone was killed',
  'zone exec': 'the command was hung up, the zone goes on',
  'zone attach': 'the zone goes on',
  'zone logs': 'the zone goes on',
  'lab overlay': 'nothing is left mounted',
};
