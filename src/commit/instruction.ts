import { posix } from 'node:path';
import type { JsonObject } from '../oci/index.ts';
import { CommitError } from './error.ts';
import { expandWord, splitWords } from './words.ts';

/** The part of a config that says what a container starts with; fields that are not known stay as they are. */
type Execution = Record<string, unknown>;

const names = 'CMD ENTRYPOINT ENV EXPOSE LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR'.split(' ');

/**
 * Applies what `--change` says, in the words of a Dockerfile, in order, to a config's `config`. As `docker commit`
 * does, an ENTRYPOINT resets the CMD unless a CMD is among the changes before it. CommitError `invalid`.
 */
export function applyInstructions(execution: JsonObject, changes: readonly string[]): JsonObject {
  const result: Execution = { ...execution };
  let hasCommand = false;
  for (const change of changes) {
    const [, word = '', text = ''] = /^([A-Za-z]+)\s+(.+)$/s.exec(change.trim()) ?? [];
    const name = word.toUpperCase();
    if (!names.includes(name)) throw unknown(change);
    apply(result, name, text, change);
    if (name === 'CMD') hasCommand = true;
    if (name === 'ENTRYPOINT' && !hasCommand) delete result.Cmd;
  }
  return result;
}

function apply(config: Execution, name: string, text: string, change: string): void {
  const variables = readVariables(config);
  switch (name) {
    case 'CMD':
    case 'ENTRYPOINT':
      config[name === 'CMD' ? 'Cmd' : 'Entrypoint'] = readCommand(config, text);
      return;
    case 'ENV':
      for (const [key, value] of readPairs(text, variables, change)) variables.set(key, value);
      config.Env = [...variables].map(([key, value]) => `${key}=${value}`);
      return;
    case 'LABEL':
      config.Labels = {
        ...asObject(config.Labels),
        ...Object.fromEntries(readPairs(text, variables, change)),
      };
      return;
    case 'EXPOSE':
      config.ExposedPorts = addKeys(
        config.ExposedPorts,
        splitWords(text, variables).flatMap(word => readPorts(word, change)),
      );
      return;
    case 'VOLUME':
      config.Volumes = addKeys(config.Volumes, readList(text) ?? splitWords(text, variables));
      return;
    case 'WORKDIR':
      config.WorkingDir = posix.resolve('/', asText(config.WorkingDir), expandWord(text, variables));
      return;
    case 'USER':
      config.User = expandWord(text, variables);
      return;
    case 'STOPSIGNAL':
      config.StopSignal = expandWord(text, variables);
      return;
    case 'ONBUILD':
      config.OnBuild = [...asTexts(config.OnBuild), text];
  }
}

/** A JSON list of strings is a command as it stands; anything else is for a shell. */
function readCommand(config: Execution, text: string): string[] {
  const shell = asTexts(config.Shell);
  return readList(text) ?? [...(shell.length > 0 ? shell : ['/bin/sh', '-c']), text];
}

function readList(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value) && value.every(item => typeof item === 'string')) return value;
  } catch {
    // Then it is a shell's, which knows brackets too.
  }
  return undefined;
}

/** `A=b C="d e"`, or the old `A b c`, which is one pair. */
function readPairs(text: string, variables: ReadonlyMap<string, string>, change: string): [string, string][] {
  const first = /^(\S+)\s+(.+)$/s.exec(text);
  if (first !== null && !first[1]!.includes('=')) return [[first[1]!, expandWord(first[2]!, variables)]];
  return splitWords(text, variables).map(word => {
    const at = word.indexOf('=');
    if (at <= 0) throw unknown(change);
    return [word.slice(0, at), word.slice(at + 1)];
  });
}

/** `80`, `80/udp`, `8000-8002`: one key each port. */
function readPorts(word: string, change: string): string[] {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(word);
  const from = Number(match?.[1] ?? 0);
  const to = Number(match?.[2] ?? from);
  if (match === null || from < 1 || to < from || to > 65_535) throw unknown(change);
  const protocol = (match[3] ?? 'tcp').toLowerCase();
  return Array.from({ length: to - from + 1 }, (_, index) => `${from + index}/${protocol}`);
}

function readVariables(config: Execution): Map<string, string> {
  return new Map(
    asTexts(config.Env).map(text => {
      const at = text.indexOf('=');
      return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

function addKeys(value: unknown, keys: readonly string[]): JsonObject {
  return { ...asObject(value), ...Object.fromEntries(keys.map(key => [key, {}])) };
}

function asObject(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

function asTexts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : [];
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function unknown(change: string): CommitError {
  return new CommitError(
    'invalid',
    `${JSON.stringify(change.slice(0, 200))} is no change of an image's config`,
    {
      detail: { change },
      hint: `changes look like CMD ["serve"] or ENV NAME=value; known: ${names.join(', ')}`,
    },
  );
}
