/** A line of sh(1), run in the scratch directory. Its claim is how it ends: otherwise than said, the lab stops there. */
export interface LabCommand {
  readonly line: string;
  /** It is to be refused: that is what the step shows. */
  readonly fails?: true;
}

/** Steps are gone through in their order, for each finds what those before it have left. */
export interface LabStep {
  /** For `--step`. */
  readonly name: string;
  readonly title: string;
  /** Paragraphs, before the commands are run. */
  readonly explanation: readonly string[];
  readonly commands: readonly LabCommand[];
  /** What to see in what was printed. */
  readonly see: readonly string[];
}

/** Commands that are to succeed. */
export function run(...lines: readonly string[]): LabCommand[] {
  return lines.map(line => ({ line }));
}

/** A command that is to be refused. */
export function refused(line: string): LabCommand {
  return { line, fails: true };
}
