import type { ByteString, Timestamp } from '../tree/index.ts';
import { TarError } from './error.ts';

/** A pax record's number: decimal digits and nothing else, a safe integer. */
export function parseDecimal(text: ByteString, keyword: string): number {
  if (!/^[0-9]+$/.test(text)) {
    throw new TarError('corrupt', `the pax record ${keyword} is not a number: ${shorten(text)}`);
  }
  const value = Number(text);
  if (!Number.isSafeInteger(value)) {
    throw new TarError('invalid', `the pax record ${keyword} is out of range: ${shorten(text)}`);
  }
  return value;
}

/** A pax time: seconds with an optional sign and fraction of any length, rounded down to the nanosecond. */
export function parseTime(text: ByteString, keyword: string): Timestamp {
  const match = /^(-?)([0-9]+)(?:\.([0-9]*))?$/.exec(text);
  if (match === null) {
    throw new TarError('corrupt', `the pax record ${keyword} is not a time: ${shorten(text)}`);
  }
  const fraction = match[3] ?? '';
  let seconds = Number(match[2]);
  let nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'));
  if (match[1] === '-') {
    if (/[1-9]/.test(fraction.slice(9))) nanoseconds += 1;
    seconds = 0 - seconds;
    if (nanoseconds > 0) {
      seconds -= 1;
      nanoseconds = 1_000_000_000 - nanoseconds;
    }
  }
  if (!Number.isSafeInteger(seconds)) {
    throw new TarError('invalid', `the pax record ${keyword} is out of range: ${shorten(text)}`);
  }
  return { seconds, nanoseconds };
}

/** The shortest exact text: `-1.5` is two seconds before the epoch and half a one after that. */
export function formatTime({ seconds, nanoseconds }: Timestamp): string {
  if (nanoseconds === 0) return String(seconds);
  const negative = seconds < 0;
  const whole = negative ? -(seconds + 1) : seconds;
  const fraction = negative ? 1_000_000_000 - nanoseconds : nanoseconds;
  const digits = String(fraction).padStart(9, '0').replace(/0+$/, '');
  return `${negative ? '-' : ''}${whole}.${digits}`;
}

function shorten(text: ByteString): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
