const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** Bytes for people, in decimal units and three digits: `1.03 GB`. */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let value = bytes;
  // 999.5 would be rounded to the four digits of 1000.
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : threeDigits(value)} ${units[unit]}`;
}

function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

/** A count for people: `12,345`. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 layer`, `2 layers`. */
export function formatNumber(count: number, noun: string, plural = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : plural}`;
}

/** Seconds for people: `0.42 s`, `12.3 s`, `3 min 05 s`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}

/** About how long, in whole seconds, minutes or hours: `12 s`, `3 min 05 s`, `2 h 05 min`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(1, Math.ceil(seconds));
  const pad = (count: number) => String(count).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${pad(whole % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
}

const ages = [
  ['second', 1],
  ['minute', 60],
  ['hour', 3600],
  ['day', 86_400],
  ['week', 7 * 86_400],
  ['month', 30 * 86_400],
  ['year', 365 * 86_400],
] as const;

/** How long ago, in one unit: `3 hours ago`; both in milliseconds since 1970. */
export function formatAge(then: number, now: number): string {
  const seconds = Math.max(0, Math.floor((now - then) / 1000));
  const [unit, length] = ages.findLast(([, length]) => seconds >= length) ?? ages[0];
  return `${formatNumber(Math.floor(seconds / length), unit)} ago`;
}

/** Bytes in a second: `264 MB/s`. */
export function formatRate(bytes: number, seconds: number): string {
  return `${formatBytes(Math.round(bytes / Math.max(seconds, 0.001)))}/s`;
}

const binary = ['', 'K', 'M', 'G', 'T'] as const;

/** As `parseSize` reads it, in the largest unit that divides it: `128K`. */
export function formatSize(bytes: number): string {
  let unit = 0;
  while (bytes > 0 && bytes % 1024 === 0 && unit < binary.length - 1) {
    bytes /= 1024;
    unit += 1;
  }
  return `${bytes}${binary[unit]}`;
}

const sizePattern = /^(\d+(?:\.\d+)?) ?(?:([kmgtp])(i?b)?|b)?$/i;

/**
 * Bytes: `4096`, `512K`, `1.5G`, `64MiB` in powers of 1024, `64MB` in powers of 1000 (as in GNU coreutils); `undefined` if
 * it is none or not a whole number of bytes.
 */
export function findSize(text: string): number | undefined {
  const [, digits, prefix = '', suffix = ''] = sizePattern.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const base = suffix.toLowerCase() === 'b' ? 1000 : 1024;
  const size = Number(digits) * base ** ' kmgtp'.indexOf(prefix.toLowerCase() || ' ');
  return Number.isSafeInteger(size) ? size : undefined;
}

const durations: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000 };

/** Milliseconds: `10`, `10s`, `1.5s`, `500ms`, `5m`, `1h`; a bare number is seconds. `undefined` if it is none or no whole number of them. */
export function findDuration(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?) ?(ms|s|m|min|h)?$/i.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const duration = Math.round(Number(digits) * durations[unit.toLowerCase() || 's']! * 1000) / 1000;
  return Number.isSafeInteger(duration) ? duration : undefined;
}
