import type { CommandName, Run } from './command/index.ts';
import { usageStatus } from './error.ts';
import { reportFailure } from './failure.ts';
import { formatHelp, formatOverview } from './help.ts';
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

async function dispatch({ command, operands, values }: CommandLine): Promise<number> {
  if (values.version) {
    const { formatVersion } = await import('./version.ts');
    print(formatVersion(values));
    return 0;
  }
  if (values.help) {
    print(command === undefined ? formatOverview() : formatHelp(command));
    return 0;
  }
  if (command === undefined) {
    process.stderr.write(formatOverview());
    return usageStatus;
  }
  const { signal, status } = watchInterrupts();
  const { run } = await load[command]();
  try {
    return await run({ operands, values, signal });
  } catch (error) {
    const interrupted = status();
    if (interrupted === undefined) throw error;
    const left =
      command === 'pull' ? 'what was downloaded is kept for the next time' : 'no unfinished output is left';
    // Programs that asked for JSON read this as well.
    if (values.json)
      printJson({ error: { code: 'cancelled', message: 'interrupted', detail: {}, hint: left } });
    if (values.progress === 'json')
      tell(formatJson({ event: 'error', code: 'cancelled', message: 'interrupted' }));
    else tell(`shale: interrupted; ${left}`);
    return interrupted;
  }
}
