import { Readable } from 'node:stream';
import { spec, type tap } from 'node:test/reporters';

type TestEvent = Parameters<typeof tap>[0] extends AsyncGenerator<infer Event> ? Event : never;

/**
 * Node's own `spec` reporter, which closes with the counts, and before these the list of what was skipped and why: a
 * run that skips everything passes too, and should be seen to.
 */
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  yield* Readable.from(withSkips(events)).compose(new spec());
}

async function* withSkips(events: AsyncIterable<TestEvent>): AsyncGenerator<TestEvent> {
  const skips: string[] = [];
  for await (const event of events) {
    if (event.type === 'test:pass' && event.data.skip !== undefined) {
      const reason =
        typeof event.data.skip === 'string' && event.data.skip !== '' ? event.data.skip : 'no reason given';
      skips.push(`skipped: ${event.data.name} (${reason})`);
    }
    if (isSummary(event)) {
      for (const message of skips.splice(0)) {
        yield { ...event, data: { ...event.data, message } };
      }
    }
    yield event;
  }
}

function isSummary(event: TestEvent): event is Extract<TestEvent, { type: 'test:diagnostic' }> {
  return (
    event.type === 'test:diagnostic' && event.data.nesting === 0 && /^tests \d+$/.test(event.data.message)
  );
}
