import { constants } from 'node:os';
import { ZoneError } from './error.ts';

const firstRealTime = 34;
const lastRealTime = 64;

/**
 * The number of a signal as Linux has it: `SIGTERM`, `TERM`, `15`, `SIGRTMIN+3`. ZoneError `invalid` for what is none.
 * `where` says whose it is.
 */
export function parseSignal(text: string, where = 'signal'): number {
  const name = text.trim().toUpperCase().replace(/^SIG/, '');
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (/^\d{1,2}$/.test(name)) return checked(Number(name), text, where);
  if (realTime !== null) {
    const [, end, sign, offset = '0'] = realTime;
    const start = end === 'MIN' ? firstRealTime : lastRealTime;
    const number = start + (sign === '-' ? -1 : 1) * Number(offset);
    if (number < firstRealTime) throw noSignal(text, where);
    return checked(number, text, where);
  }
  const number = (constants.signals as Readonly<Record<string, number>>)[`SIG${name}`];
  if (number === undefined) throw noSignal(text, where);
  return number;
}

/** `SIGTERM` of 15; the number itself where it has no name. */
export function signalName(number: number): string {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? String(number);
}

function checked(number: number, text: string, where: string): number {
  if (number < 1 || number > lastRealTime) throw noSignal(text, where);
  return number;
}

function noSignal(text: string, where: string): ZoneError {
  return new ZoneError('invalid', `${where}: ${JSON.stringify(text)} is no signal`, {
    detail: { signal: text },
    hint: 'as in SIGTERM, TERM or 15',
  });
}
