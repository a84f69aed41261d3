import { type ListEntry, list } from '../../engine/list.ts';
import { printable } from '../../tree/printable.ts';
import { jsonBytes } from '../bytes.ts';
import { formatColumns } from '../columns.ts';
import type { Invocation } from '../command/index.ts';
import { UsageError } from '../error.ts';
import { readImageOptions } from '../image-options.ts';
import { formatExtent, formatMode, formatTarget, formatTime, jsonInode } from '../inode.ts';
import { formatJson, printBytes } from '../output.ts';

/** So many lines are aligned and written together. */
const batch = 1000;

export async function run(invocation: Invocation): Promise<number> {
  const { operands, values, signal } = invocation;
  const [place, path] = operands as [string, string?];
  if (values.json && (values.long || values.null)) {
    throw new UsageError('--json says all, and goes with neither --long nor --null', 'see shale ls --help');
  }
  if (values.long && values.null) {
    throw new UsageError('--null prints paths alone, without --long', 'see shale ls --help');
  }
  const format = values.json
    ? formatObjects
    : values.null
      ? formatRaw
      : values.long
        ? formatLong
        : formatPlain;
  const options = { ...readImageOptions(invocation), path, recursive: values.recursive };
  let entries: ListEntry[] = [];
  let first = true;
  const write = async () => {
    if (entries.length > 0)
      await printBytes(Buffer.from(format(entries, first), values.null ? 'latin1' : 'utf8'));
    if (entries.length > 0) first = false;
    entries = [];
  };
  for await (const entry of list(place, options)) {
    signal.throwIfAborted();
    entries.push(entry);
    if (entries.length === batch) await write();
  }
  await write();
  if (values.json) await printBytes(Buffer.from(first ? '{"entries": []}\n' : '\n]}\n'));
  return 0;
}

const nameOf = ({ path }: ListEntry): string => printable(path === '' ? '/' : path);

function formatPlain(entries: readonly ListEntry[]): string {
  return entries.map(entry => `${nameOf(entry)}\n`).join('');
}

function formatRaw(entries: readonly ListEntry[]): string {
  return entries.map(({ path }) => `${path === '' ? '/' : path}\0`).join('');
}

function formatLong(entries: readonly ListEntry[]): string {
  const rows = entries.map(entry => [
    formatMode(entry),
    String(entry.links),
    String(entry.uid),
    String(entry.gid),
    formatExtent(entry),
    formatTime(entry.mtime),
    `${nameOf(entry)}${formatTarget(entry)}`,
  ]);
  return `${formatColumns(rows, { right: [1, 2, 3, 4] }).join('\n')}\n`;
}

/** One object in all, though it is written piece by piece. */
function formatObjects(entries: readonly ListEntry[], first: boolean): string {
  const objects = entries.map(entry => {
    const { path, links } = entry;
    return formatJson({ ...jsonBytes('path', path === '' ? '/' : path), links, ...jsonInode(entry) });
  });
  return `${first ? '{"entries": [\n' : ',\n'}${objects.join(',\n')}`;
}
