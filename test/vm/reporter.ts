import type { TestEvent } from 'node:test/reporters';

/** How a test of the guest ended, as one line of JSON tells the host. */
export interface GuestTest {
  /** With the names of those around it: `suite > test`. */
  readonly name: string;
  readonly passed: boolean;
  readonly skipped: string | undefined;
  /** Of one that failed: why, with where. */
  readonly failure: string | undefined;
  readonly milliseconds: number;
}

/** What begins a line that is not just something that a program wrote (RS, RFC 7464). */
export const recordMark = '\x1e';

/** The guest's reporter: a line for each test that has no tests of its own, as soon as it ends. */
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const around: string[] = [];
  const parents = new Set<string>();
  for await (const event of events) {
    if (event.type === 'test:start') {
      around.length = event.data.nesting;
      if (around.length > 0) parents.add(around.join(' > '));
      around.push(event.data.name);
    }
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    around.length = event.data.nesting;
    const name = [...around, event.data.name].join(' > ');
    const error = event.type === 'test:fail' ? event.data.details.error : undefined;
    // A suite fails because of what is in it, which was told; unless it is a hook of its own.
    if (parents.has(name) && (error === undefined || isOfSubtests(error))) continue;
    const { skip } = event.data;
    const test: GuestTest = {
      name,
      passed: event.type === 'test:pass',
      skipped: skip === undefined || skip === false ? undefined : String(skip),
      failure: error === undefined ? undefined : describe(error),
      milliseconds: event.data.details.duration_ms,
    };
    yield `\n${recordMark}${JSON.stringify(test)}\n`;
  }
}

function isOfSubtests(error: Error): boolean {
  return (error as { failureType?: string }).failureType === 'subtestsFailed';
}

function describe(error: Error): string {
  const cause = error.cause;
  if (!(cause instanceof Error)) return String(cause ?? error.message);
  return describeCause(cause);
}

function describeCause(cause: Error): string {
  // What failed first is what a failure on the way out has hidden.
  if (cause instanceof SuppressedError) {
    return [cause.suppressed, cause.error].map(error => describeCause(error as Error)).join('\nand then\n');
  }
  const { hint, detail } = cause as { hint?: string; detail?: object };
  return [cause.stack ?? cause.message, hint, detail && JSON.stringify(detail)]
    .filter(text => text !== undefined)
    .join('\n');
}
