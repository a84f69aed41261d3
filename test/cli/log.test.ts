import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatJsonLine, formatLine } from '../../src/cli/log.ts';

const time = new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 6));
const record = {
  level: 'warn',
  message: 'a\u001b[31mb\nc',
  fields: { key: 'x y', n: 1, none: undefined, plain: 'sha256:00' },
} as const;

test('a record is one line, and steers no terminal', () => {
  const line = formatLine(record, time);
  assert.equal(
    line,
    String.raw`2026-01-02T03:04:05.006Z warn  a\x1b[31mb\x0ac key="x y" n=1 plain=sha256:00`,
  );
  const json = formatJsonLine(record, time);
  assert.ok(!json.includes('\n') && !json.includes('\u001b'));
  assert.deepEqual(JSON.parse(json), {
    ...{ time: '2026-01-02T03:04:05.006Z', level: 'warn', message: record.message },
    ...{ key: 'x y', n: 1, plain: 'sha256:00' },
  });
});
