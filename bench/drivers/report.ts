import { middle, type Result } from './race.ts';
import type { Section } from './workload.ts';

/** Seconds as people read them, in three digits. */
export function formatSeconds(seconds: number): string {
  if (Number.isNaN(seconds)) return '–';
  const [value, unit] =
    seconds < 1e-3 ? [seconds * 1e6, 'µs'] : seconds < 1 ? [seconds * 1e3, 'ms'] : [seconds, 's'];
  return `${value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)} ${unit}`;
}

/** A table for each section: medians. */
export function tabulate(section: Section, results: readonly Result[]): string[][] {
  return [
    ['', ...section.measures.map(({ title }) => title)],
    ...results
      .filter(({ failure }) => failure === undefined)
      .map(({ subject, seconds }) => [
        subject.name,
        ...section.measures.map(({ key }) => formatSeconds(middle(seconds[key] ?? []))),
      ]),
  ];
}

/** All of it, for programs. */
export function toJson(
  sections: readonly Section[],
  results: readonly Result[],
  conditions: readonly (readonly [string, string])[],
): object {
  return {
    conditions: Object.fromEntries(conditions),
    measures: sections.flatMap(({ title: section, measures }) =>
      measures.map(measure => ({ section, ...measure, unit: 's' })),
    ),
    subjects: results.map(({ subject, seconds, failure }) => ({
      ...{
        name: subject.name,
        about: subject.about,
        commands: subject.commands,
        filesystem: subject.filesystem,
      },
      ...(failure !== undefined && { failure }),
      measures: Object.fromEntries(
        Object.entries(seconds).map(([key, values]) => [key, { median: middle(values), rounds: values }]),
      ),
    })),
  };
}

/** What is wrong with the comparison: subjects that do not show the same. */
export function findDifferences(results: readonly Result[]): string[] {
  const listed = results.filter(({ listing }) => listing !== undefined);
  if (new Set(listed.map(({ listing }) => listing)).size < 2) return [];
  return listed.map(({ subject, listing }) => `${subject.name} shows ${listing!.slice(0, 12)}`);
}
