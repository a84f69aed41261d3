import { once } from 'node:events';
import { byteString, printable } from '../tree/printable.ts';

/** Writes to standard output as it is; what comes from an image goes through `safe` or `formatJson` first. */
export function print(text: string): void {
  process.stdout.write(text);
}

/** Writes data to standard output, at the reader's pace; the stream keeps `bytes` until they are written. */
export async function printBytes(bytes: Uint8Array): Promise<void> {
  if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
}

/** The same to standard error. */
export async function printErrorBytes(bytes: Uint8Array): Promise<void> {
  if (!process.stderr.write(bytes)) await once(process.stderr, 'drain');
}

/** Waits until standard output has taken all it was given and can take more. */
export async function flush(): Promise<void> {
  await new Promise<void>(done => process.stdout.write('', () => done()));
}

/** The same for standard error; at once if nobody reads it any more. */
export async function flushErrors(): Promise<void> {
  await new Promise<void>(done => process.stderr.write('', () => done()));
}

/** Writes one line to standard error. */
export function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Text that may hold anything at all, for people: nothing in it steers a terminal or starts a line. */
export function safe(text: string): string {
  return printable(byteString(text));
}

/** JSON whose text cannot steer a terminal either, should it be shown on one. */
export function formatJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    /[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

export function printJson(value: unknown): void {
  print(`${formatJson(value, 2)}\n`);
}
