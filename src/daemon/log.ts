/** From the least to the most urgent. */
export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Something that happened, for whoever runs the daemon. */
export interface LogRecord {
  readonly level: LogLevel;
  readonly message: string;
  /** Facts: JSON-able, names in snake_case. Texts may come from outside, and hold anything. */
  readonly fields: Readonly<Record<string, string | number | boolean | undefined>>;
}

/** Takes a record; never throws. The daemon itself prints nothing. */
export type Log = (record: LogRecord) => void;
