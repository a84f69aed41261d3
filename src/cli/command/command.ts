import type { Interruption } from '../interrupt.ts';
import type { Option, OptionName, Values } from '../option.ts';

/** What a command is called with. */
export interface Invocation {
  readonly operands: readonly string[];
  readonly values: Values;
  /** Aborted by Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  /** For a command that gives signals another meaning. */
  readonly interruption: Interruption;
}

/** Does what the command says; resolves to the exit status, rejects with a ShaleError. */
export type Run = (invocation: Invocation) => Promise<number>;

export interface Operand {
  readonly name: string;
  readonly help: string;
  readonly optional?: true;
  /** One or more. */
  readonly many?: true;
  /** Another program's command line: from here on nothing is a flag of ours. The last operand, after one that is always there. */
  readonly verbatim?: true;
}

export interface Example {
  readonly what: string;
  readonly line: string;
}

/** How a flag differs in one command from what the table of all flags says. */
export type Refinement = Partial<Pick<Option, 'choices' | 'help' | 'default'>>;

/** One command: all that parsing, --help and the manual know of it. */
export interface Command {
  readonly summary: string;
  /** Paragraphs. */
  readonly description: readonly string[];
  readonly operands: readonly Operand[];
  readonly options: readonly OptionName[];
  readonly refinements?: Readonly<Partial<Record<OptionName, Refinement>>>;
  readonly examples: readonly Example[];
  /** Exit statuses that mean something special here. */
  readonly statuses?: Readonly<Record<number, string>>;
  /**
   * Takes mapped ids or leaves mounts, so a user who is not root has it run in his namespace: whenever it has operands, or only where the cache has
   * snapshots, without which it has nothing to do there.
   */
  readonly namespace?: 'always' | 'with-snapshots';
  /** A stray argument may be a secret, so it is not repeated in a message. */
  readonly discreet?: true;
}

export type Commands = Readonly<Record<string, Command>>;

/** Commands that begin with the same word, such as `zone ls` and `zone rm`: what `shale zone --help` says of them. */
export interface Family {
  readonly summary: string;
  /** Paragraphs. */
  readonly description: readonly string[];
}

export type Families = Readonly<Record<string, Family>>;
