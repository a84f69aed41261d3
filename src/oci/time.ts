import type { Timestamp } from '../tree/index.ts';
import { OciError } from './error.ts';

const pattern = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/**
 * RFC 3339, section 5.6, to the nanosecond. Go's zero time, which is what Go writes for "none", is `undefined`;
 * other text: OciError `invalid`, with `where` in it.
 */
export function parseTime(text: string, where: string): Timestamp | undefined {
  const match = pattern.exec(text);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = (match ?? [])
    .slice(1, 7)
    .map(Number);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const real = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (match === null || !real || hour > 23 || minute > 59 || second > 60) {
    throw new OciError('invalid', `${where} is not a time (RFC 3339): ${JSON.stringify(text.slice(0, 100))}`);
  }
  if (year === 1 && month === 1 && day === 1) return undefined;
  const offset = (Number(match[9] ?? 0) * 60 + Number(match[10] ?? 0)) * (match[8] === '-' ? -1 : 1);
  const seconds = date.getTime() / 1000 + hour * 3600 + (minute - offset) * 60 + second;
  return { seconds, nanoseconds: Number((match[7] ?? '').slice(0, 9).padEnd(9, '0')) };
}
