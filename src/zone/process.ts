import type { ImageConfig } from '../oci/index.ts';
import { JsonView } from '../oci/json.ts';
import { ZoneError } from './error.ts';

/** Rows and columns of a terminal, in characters. */
export interface WindowSize {
  readonly rows: number;
  readonly columns: number;
}

/** A process to be started in a zone. Names in it are looked up there: nothing of it ever is a path or a command of the host. */
export interface ProcessSpec {
  /** At least one. */
  readonly arguments: readonly string[];
  /** `NAME=value`, each name once. */
  readonly environment: readonly string[];
  readonly directory: string;
  /** `USER[:GROUP]`, by name or number; empty for root. */
  readonly user: string;
  /** It gets a terminal of its own, of this size. */
  readonly terminal?: WindowSize | undefined;
  /** Whether its standard input is ours; otherwise it is /dev/null. */
  readonly stdin: boolean;
  /** It is process 1 itself, without a reaper above it. */
  readonly first?: boolean | undefined;
}

/** What the caller wants otherwise than the image's config has it. */
export interface ProcessWishes {
  readonly command?: readonly string[] | undefined;
  /** Replaces the image's entrypoint, and drops its command; empty: there is none. */
  readonly entrypoint?: string | undefined;
  /** `NAME=value`; a `NAME` alone takes the variable away. */
  readonly environment?: readonly string[] | undefined;
  readonly directory?: string | undefined;
  readonly user?: string | undefined;
}

/** The process that an image starts with, or that the caller wants instead: OCI image-spec config.md, "config". */
export function processOf(
  config: ImageConfig,
  wishes: ProcessWishes,
): Pick<ProcessSpec, 'arguments' | 'environment' | 'directory' | 'user'> {
  const view = new JsonView(config.execution, 'config.config');
  const { command, entrypoint } = wishes;
  const words = [
    ...(entrypoint === undefined ? view.strings('Entrypoint') : entrypoint === '' ? [] : [entrypoint]),
    ...(command !== undefined && command.length > 0
      ? command
      : entrypoint === undefined
        ? view.strings('Cmd')
        : []),
  ];
  if (words.length === 0) {
    throw new ZoneError('invalid', 'the image names no command to run', {
      hint: 'say one after the image: shale run IMAGE -- COMMAND',
    });
  }
  return {
    arguments: words,
    environment: mergeEnvironment(view.strings('Env'), wishes.environment ?? []),
    directory: checkDirectory(wishes.directory ?? view.optionalString('WorkingDir') ?? ''),
    user: wishes.user ?? view.optionalString('User') ?? '',
  };
}

/** The image's stop signal, SIGTERM if it names none. */
export function stopSignalOf(config: ImageConfig): string {
  return new JsonView(config.execution, 'config.config').optionalString('StopSignal') || 'SIGTERM';
}

/** Later ones count; a name without a value takes the variable away. */
export function mergeEnvironment(base: readonly string[], more: readonly string[]): string[] {
  const variables = new Map<string, string | undefined>();
  for (const variable of [...base, ...more]) {
    const [name = ''] = variable.split('=', 1);
    if (name === '') {
      throw new ZoneError('invalid', `the variable ${JSON.stringify(variable)} has no name`, {
        hint: 'as in NAME=value',
      });
    }
    variables.set(name, variable.includes('=') ? variable : undefined);
  }
  return [...variables.values()].filter(variable => variable !== undefined);
}

function checkDirectory(directory: string): string {
  if (directory === '') return '/';
  if (directory.startsWith('/')) return directory;
  throw new ZoneError('invalid', `the working directory ${JSON.stringify(directory)} is not absolute`, {
    hint: 'give one with --workdir',
  });
}
