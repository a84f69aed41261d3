import { SnapshotError } from '../error.ts';
import type { DriverName, DriverOptions } from './driver.ts';

/** The settings of a driver as it knows them, each with what it may be; the first is what it is if nothing is said. SnapshotError `invalid`. */
export function readSettings<T extends Readonly<Record<string, readonly [string, ...string[]]>>>(
  driver: DriverName,
  { settings = {} }: DriverOptions,
  known: T,
): { readonly [Name in keyof T]: T[Name][number] } {
  const read: Record<string, string> = {};
  for (const [name, [usual]] of Object.entries(known)) read[name] = usual;
  for (const [name, value] of Object.entries(settings)) {
    const choices = Object.hasOwn(known, name) ? known[name] : undefined;
    if (choices === undefined) {
      const names = Object.keys(known).join(', ');
      throw new SnapshotError('invalid', `the driver ${driver} has no setting ${JSON.stringify(name)}`, {
        detail: { driver, name },
        hint: names === '' ? 'it has none' : `it has: ${names}`,
      });
    }
    if (!choices.includes(value)) {
      throw new SnapshotError(
        'invalid',
        `${name} of the driver ${driver} cannot be ${JSON.stringify(value)}`,
        {
          detail: { driver, name, value },
          hint: `it is one of: ${choices.join(', ')}`,
        },
      );
    }
    read[name] = value;
  }
  return read as { readonly [Name in keyof T]: T[Name][number] };
}
