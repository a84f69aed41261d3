import { drawChart, escapeHtml } from './chart.ts';
import { middle, type Result } from './race.ts';
import { formatSeconds } from './report.ts';
import type { Section } from './workload.ts';

/** A page that needs nothing but itself: figures as plots and as tables, and how all of it came to be. Light and dark. */
export function formatPage(
  sections: readonly Section[],
  results: readonly Result[],
  conditions: readonly (readonly [string, string])[],
): string {
  const shown = results.filter(({ failure }) => failure === undefined);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Storage drivers compared</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>Storage drivers compared</h1>
<p class="lead">What the ways to keep container images as writable root filesystems cost, measured on one machine in one run. Each dot is the median, the line through it reaches from the fastest round to the slowest; less is better. The fastest is emphasised.</p>
${sections.map(section => formatSection(section, shown)).join('\n')}
<h2>The drivers</h2>
${formatSubjects(results)}
<h2>Conditions</h2>
<dl>${conditions.map(([name, text]) => `<dt>${escapeHtml(name)}</dt><dd>${text.split('\n').map(escapeHtml).join('<br>')}</dd>`).join('\n')}</dl>
</main>
</body>
</html>
`;
}

function formatSection(section: Section, results: readonly Result[]): string {
  const charts = section.measures.map(({ key, title }) => drawChart({ title, measure: key, results }));
  return [
    `<section><h2>${escapeHtml(section.title)}</h2><p>${escapeHtml(section.note)}</p>`,
    `<div class="charts">${charts.join('\n')}</div>`,
    `<details><summary>The figures, and what was run</summary>${formatTable(section, results)}`,
    `<dl>${section.measures.map(({ title, how }) => `<dt>${escapeHtml(title)}</dt><dd><code>${escapeHtml(how)}</code></dd>`).join('')}</dl>`,
    '</details></section>',
  ].join('\n');
}

function formatTable({ measures }: Section, results: readonly Result[]): string {
  const head = ['', ...measures.map(({ title }) => title)].map(cell => `<th>${escapeHtml(cell)}</th>`);
  const rows = results.map(({ subject, seconds }) => {
    const cells = measures.map(({ key }) => `<td>${formatCell(seconds[key] ?? [])}</td>`);
    return `<tr><th>${escapeHtml(subject.name)}</th>${cells.join('')}</tr>`;
  });
  return `<div class="table"><table><thead><tr>${head.join('')}</tr></thead><tbody>${rows.join('\n')}</tbody></table></div>`;
}

function formatCell(values: readonly number[]): string {
  const range =
    values.length < 2
      ? ''
      : `<small>${formatSeconds(Math.min(...values))} – ${formatSeconds(Math.max(...values))}</small>`;
  return `${formatSeconds(middle(values))}${range}`;
}

function formatSubjects(results: readonly Result[]): string {
  const rows = results.map(({ subject: { name, about, commands, filesystem }, failure }) => {
    const lines = commands.map(command => `<code>${escapeHtml(command)}</code>`).join('<br>');
    const note = failure === undefined ? '' : `<p class="failure">Took no part: ${escapeHtml(failure)}</p>`;
    return `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(about)}.${note}</td><td>${filesystem}</td><td>${lines}</td></tr>`;
  });
  return `<div class="table"><table class="subjects"><thead><tr><th>Driver</th><th>What it is</th><th>On</th><th>By hand</th></tr></thead><tbody>${rows.join('\n')}</tbody></table></div>`;
}

const style = `
:root {
  --page: #fbfbf9; --card: #ffffff; --text: #1d1d1b; --soft: #5c5c57; --line: #e2e1dc;
  --mark: #5f7d95; --best: #b4530a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #151617; --card: #1d1f21; --text: #e9e8e4; --soft: #a3a29c; --line: #34373a;
    --mark: #86a5bf; --best: #f0a35e;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 40px 20px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 12px; }
h2 { font-size: 20px; line-height: 1.3; margin: 48px 0 4px; }
p { margin: 0 0 16px; max-width: 72ch; color: var(--soft); }
p.lead { color: var(--text); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 16px; }
figure { margin: 0; padding: 14px 16px 6px; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
figcaption { font-weight: 600; margin-bottom: 6px; display: flex; justify-content: space-between; }
figcaption span { font-weight: 400; font-size: 13px; color: var(--soft); }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif; }
svg .name { fill: var(--text); }
svg .tick { fill: var(--soft); font-size: 11px; }
svg .value { fill: var(--soft); font-variant-numeric: tabular-nums; }
svg text.best { fill: var(--best); font-weight: 600; }
svg .grid { stroke: var(--line); }
svg .stem { stroke: var(--line); stroke-width: 2; }
svg .range { stroke-width: 2; stroke: var(--mark); }
svg .range.best { stroke: var(--best); }
svg circle.mark { fill: var(--mark); }
svg circle.best { fill: var(--best); }
svg .hit { fill: transparent; }
svg g:hover .hit { fill: var(--line); fill-opacity: 0.5; }
details { margin-top: 12px; }
summary { cursor: pointer; color: var(--soft); }
.table { overflow-x: auto; margin: 12px 0; }
table { border-collapse: collapse; font-size: 14px; width: 100%; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; font-variant-numeric: tabular-nums; }
th:first-child, table.subjects th, table.subjects td { text-align: left; }
tbody th { font-weight: 500; white-space: nowrap; }
td small { display: block; color: var(--soft); white-space: nowrap; }
.failure { color: var(--best); margin: 4px 0 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; font-size: 14px; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
code { font: 13px ui-monospace, monospace; overflow-wrap: anywhere; }
@media (max-width: 600px) { dl { grid-template-columns: 1fr; } dd { margin-bottom: 8px; } }
`;
