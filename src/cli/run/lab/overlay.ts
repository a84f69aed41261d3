import { findVariable } from '../../../engine/host.ts';
import {
  type LabOutcome,
  type LabStep,
  listOverlaySteps,
  type OverlayLab,
  openOverlayLab,
} from '../../../engine/lab/overlay.ts';
import { formatColumns } from '../../columns.ts';
import type { Invocation } from '../../command/index.ts';
import { UsageError } from '../../error.ts';
import { Page } from '../../lab/page.ts';
import { print, printJson, tell } from '../../output.ts';
import { createTerminalSize, readKey } from '../../terminal/index.ts';

export async function run(invocation: Invocation): Promise<number> {
  const { values, signal } = invocation;
  if (values.list) {
    printList(listOverlaySteps(), values.json === true);
    return 0;
  }
  const only = values.step === undefined ? undefined : findStep(listOverlaySteps(), values.step);
  await using lab = await openOverlayLab({ keep: values.keep, signal });
  const steps = only === undefined ? lab.steps : lab.steps.slice(0, only + 1);
  if (values.json) await printSteps(lab, steps, only ?? 0);
  else await walk(lab, steps, { invocation, first: only ?? 0 });
  if (values.keep) tell(`shale: the scratch directory is kept: ${lab.directory}`);
  return 0;
}

function printList(steps: readonly LabStep[], json: boolean): void {
  if (json) printJson({ steps: steps.map(({ name, title }, index) => ({ step: index + 1, name, title })) });
  else {
    const rows = steps.map(({ name, title }, index) => [String(index + 1), name, title]);
    print(`${formatColumns([['STEP', 'NAME', 'TITLE'], ...rows]).join('\n')}\n`);
  }
}

/** By its number, from 1, or its name; the result counts from 0. */
function findStep(steps: readonly LabStep[], wanted: string): number {
  const index = steps.findIndex(({ name }, index) => name === wanted || String(index + 1) === wanted);
  if (index >= 0) return index;
  throw new UsageError(
    `there is no step ${JSON.stringify(wanted)}`,
    `there are 1 to ${steps.length}; see shale lab overlay --list`,
  );
}

async function printSteps(lab: OverlayLab, steps: readonly LabStep[], first: number): Promise<void> {
  const done: object[] = [];
  for (const [index, step] of steps.entries()) {
    const commands: LabOutcome[] = [];
    for await (const outcome of lab.run(step)) commands.push(outcome);
    const { name, title, explanation, see } = step;
    if (index >= first) done.push({ step: index + 1, name, title, explanation, commands, see });
  }
  printJson({ directory: lab.directory, rootless: lab.rootless, steps: done });
}

interface WalkOptions {
  readonly invocation: Invocation;
  /** The first step that is shown. */
  readonly first: number;
}

async function walk(lab: OverlayLab, steps: readonly LabStep[], { invocation, first }: WalkOptions) {
  const isTerminal = process.stdout.isTTY === true;
  const page = new Page({
    color: isTerminal && findVariable('NO_COLOR') === undefined && findVariable('TERM') !== 'dumb',
    width: isTerminal ? createTerminalSize().size().columns : 80,
  });
  const asks = isTerminal && process.stdin.isTTY === true && invocation.values.yes !== true;
  for (const [index, step] of steps.entries()) {
    const shown = index >= first;
    if (shown) print(page.heading(step, { number: index + 1, count: lab.steps.length }));
    for await (const outcome of lab.run(step)) if (shown) print(page.outcome(outcome));
    if (!shown) continue;
    print(page.closing(step));
    if (asks && (await pause(lab, { invocation, last: index === steps.length - 1 })) === 'q') return;
  }
}

/** Asks what next; a shell comes back here. */
async function pause(
  lab: OverlayLab,
  { invocation: { signal, interruption }, last }: { readonly invocation: Invocation; readonly last: boolean },
): Promise<'q' | 'next'> {
  for (;;) {
    process.stderr.write(`Enter: ${last ? 'end' : 'go on'}   s: a shell here   q: quit  `);
    const key = await readKey(['\r', 's', 'q'], { end: 'q', signal }).finally(() => {
      process.stderr.write('\r\x1b[K');
    });
    if (key !== 's') return key === 'q' ? 'q' : 'next';
    tell(`A shell in ${lab.directory}; exit comes back.`);
    // Ctrl-C belongs to whoever works in it.
    const restore = interruption.redirect(() => {});
    try {
      await lab.openShell();
    } finally {
      restore();
    }
  }
}
