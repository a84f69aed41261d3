import { writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { fullExtent, tinyExtent } from './drivers/base.ts';
import { describeConditions } from './drivers/conditions.ts';
import { formatPage } from './drivers/page.ts';
import { race } from './drivers/race.ts';
import { findDifferences, tabulate, toJson } from './drivers/report.ts';
import { subjects } from './drivers/subjects.ts';
import { describeMeasures } from './drivers/workload.ts';
import { formatTable } from './pull/report.ts';

/**
 * `npm run bench:drivers`, as root: ways to keep an image as writable root filesystems, on filesystems of their own. What is measured is in
 * bench/drivers/workload.ts, what is compared in subjects.ts. Tables on standard output, and a page with plots.
 *
 *     --rounds N        after one that warms up; figures are medians (default 5)
 *     --only A,B        drivers whose name has one of these in it
 *     --tiny            a hundredth of everything: only to see whether it runs
 *     --scratch DIR     some 30 GB (default: the temporary directory)
 *     --html FILE       the page (default: bench-drivers.html in the temporary directory; none: no page)
 *     --json            all figures as one JSON object, instead of tables
 *     --markdown        tables as they stand in BENCHMARK.md
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    tiny: { type: 'boolean', default: false },
    scratch: { type: 'string', default: os.tmpdir() },
    html: { type: 'string', default: path.join(os.tmpdir(), 'bench-drivers.html') },
    json: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
  },
});
if (process.geteuid?.() !== 0) throw new Error('mounts need root');
const rounds = Number(values.rounds);
if (!Number.isSafeInteger(rounds) || rounds < 1) throw new Error('--rounds takes a number from 1');
const wanted = values.only.split(',');
const chosen = subjects.filter(({ name }) => wanted.some(part => name.includes(part)));
if (chosen.length === 0) throw new Error(`--only: there are ${subjects.map(({ name }) => name).join(', ')}`);

const extent = values.tiny ? tinyExtent : fullExtent;
// What is mounted is unmounted first; programs that were running have heard it themselves.
const interruption = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => interruption.abort());
const results = await race(chosen, {
  ...{ extent, rounds, scratch: values.scratch, size: values.tiny ? 2 ** 30 : 10 * 2 ** 30 },
  signal: interruption.signal,
  onProgress: line => process.stderr.write(`${line}\n`),
}).catch((error: unknown) => {
  if (!interruption.signal.aborted) throw error;
  process.stderr.write('interrupted; nothing is left mounted\n');
  process.exit(130);
});
const sections = describeMeasures(extent);
const conditions = describeConditions(results, { rounds, scratch: values.scratch });
const complaints = [
  ...results.flatMap(({ subject, failure }) => (failure ? [`${subject.name}: ${failure}`] : [])),
  ...findDifferences(results),
];

if (values.json) console.log(JSON.stringify(toJson(sections, results, conditions), null, 2));
else {
  for (const [name, text] of conditions) console.log(`${name}: ${text.replaceAll('\n', '; ')}`);
  for (const section of sections) {
    console.log(`\n${section.title}\n${section.note}\n`);
    console.log(formatTable(tabulate(section, results), values.markdown));
  }
  console.log('\nThe command lines:\n');
  for (const { subject } of results) console.log(`    ${subject.name}: ${subject.commands.join(' && ')}`);
  for (const { measures } of sections)
    for (const { title, how } of measures) console.log(`    ${title}: ${how}`);
}
if (values.html !== 'none') {
  writeFileSync(values.html, formatPage(sections, results, conditions));
  process.stderr.write(`the page: ${values.html}\n`);
}
for (const complaint of complaints) process.stderr.write(`${complaint}\n`);
if (complaints.length > 0) process.exitCode = 1;
