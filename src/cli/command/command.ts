import type { Option, OptionName, Values } from '../option.ts';

/** What a command is called with. */
export interface Invocation {
  readonly operands: readonly string[];
  readonly values: Values;
  /** Aborted by Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
}

/** Does what the command says; resolves to the exit status, rejects with a ShaleError. */
export type Run = (invocation: Invocation) => Promise<number>;

export interface Operand {
  readonly name: string;
  readonly help: string;
  readonly optional?: true;
  /** One or more. */
  readonly many?: true;
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
  /** A stray argument may be a secret, so it is not repeated in a message. */
  readonly discreet?: true;
}

export type Commands = Readonly<Record<string, Command>>;
