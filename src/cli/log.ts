import { type Log, type LogLevel, type LogRecord, logLevels } from '../daemon/log.ts';
import { formatJson, safe, tell } from './output.ts';

export interface LogOptions {
  /** `text` on a terminal, else `json`, if absent. */
  readonly format: 'text' | 'json' | undefined;
  /** The least urgent that is written. */
  readonly level: LogLevel;
}

/** Writes a daemon's log to standard error, a line for each record. */
export function createLog({ format, level }: LogOptions): Log {
  const least = logLevels.indexOf(level);
  const write = (format ?? (process.stderr.isTTY ? 'text' : 'json')) === 'json' ? formatJsonLine : formatLine;
  return record => {
    if (logLevels.indexOf(record.level) >= least) tell(write(record, new Date()));
  };
}

/** An object: `time`, `level` and `message` first, then the record's own fields. */
export function formatJsonLine({ level, message, fields }: LogRecord, time: Date): string {
  return formatJson({ time: time.toISOString(), level, message, ...fields });
}

/** For people: the time of the day, what happened, and its fields as name=value. */
export function formatLine({ level, message, fields }: LogRecord, time: Date): string {
  const facts = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${/^[^\s"=]+$/.test(String(value)) ? value : JSON.stringify(value)}`);
  return safe([time.toISOString(), level.padEnd(5), message, ...facts].join(' '));
}
