import { dirname } from 'node:path';

/** OverlayFS's options, taken apart. */
export interface OverlayOptions {
  /** Unescaped. */
  readonly lowers: readonly string[];
  /** All but the lower directories; paths unescaped. */
  readonly others: readonly string[];
  /** The same as one string, with all paths relative to a directory; `undefined` where they have none in common. */
  readonly compact: { readonly directory: string; readonly options: string } | undefined;
}

/** Takes options as mount(2) would have them, `lowerdir=a:b` among them: a backslash makes the next character a plain one. */
export function compactOverlay(options: readonly string[]): OverlayOptions {
  const lowers: string[] = [];
  const others: string[] = [];
  const paths: [name: string, path: string][] = [];
  for (const option of options) {
    const [, name, value] = /^(lowerdir|upperdir|workdir)=(.*)$/s.exec(option) ?? [];
    if (name === 'lowerdir') lowers.push(...split(value!));
    else if (name !== undefined) paths.push([name, unescapePath(value!)]);
    else others.push(option);
  }
  const directory = commonDirectory([...lowers, ...paths.map(([, path]) => path)]);
  const relative = (path: string) => escapePath(path.slice(directory!.length + 1));
  const compact =
    directory === undefined
      ? undefined
      : [
          ...others,
          ...paths.map(([name, path]) => `${name}=${relative(path)}`),
          `lowerdir=${lowers.map(relative).join(':')}`,
        ].join(',');
  return {
    lowers,
    others: [...others, ...paths.map(([name, path]) => `${name}=${path}`)],
    compact: compact === undefined ? undefined : { directory: directory!, options: compact },
  };
}

/** A path as an option has it, where colons part lower directories and commas options. */
export function escapePath(path: string): string {
  return path.replace(/[\\:,]/g, '\\$&');
}

/** The path that `escapePath` was given. */
export function unescapePath(text: string): string {
  return text.replace(/\\(.)/gs, '$1');
}

/** At colons that no backslash stands before. */
function split(list: string): string[] {
  const parts = list.match(/(?:\\.|[^\\:])+/gs) ?? [];
  return parts.map(unescapePath);
}

/** The longest directory above all of the paths, not the root. */
function commonDirectory(paths: readonly string[]): string | undefined {
  let common = dirname(paths[0] ?? '/');
  while (common.length > 1 && !paths.every(path => path.startsWith(`${common}/`))) common = dirname(common);
  return common.startsWith('/') && common.length > 1 ? common : undefined;
}
