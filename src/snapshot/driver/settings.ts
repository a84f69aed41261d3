import { SnapshotError } from '../error.ts';
import type { DriverName, DriverOptions } from './driver.ts';

/** What a setting may be: words, of which the first is what it is if nothing is said; or whatever a pattern takes. */
export type Setting = readonly [string, ...string[]] | FreeSetting;
export interface FreeSetting {
  readonly usual: string;
  readonly pattern: RegExp;
  /** For people: `a size, such as 8G`. */
  readonly what: string;
}
type Value<S extends Setting> = S extends readonly string[] ? S[number] : string;

/** The settings of a driver as it knows them. SnapshotError `invalid`. */
export function readSettings<T extends Readonly<Record<string, Setting>>>(
  driver: DriverName,
  { settings = {} }: DriverOptions,
  known: T,
): { readonly [Name in keyof T]: Value<T[Name]> } {
  const read: Record<string, string> = {};
  for (const [name, setting] of Object.entries(known))
    read[name] = isFree(setting) ? setting.usual : setting[0];
  for (const [name, value] of Object.entries(settings)) {
    const choices = Object.hasOwn(known, name) ? known[name] : undefined;
    if (choices === undefined) {
      const names = Object.keys(known).join(', ');
      throw new SnapshotError('invalid', `the driver ${driver} has no setting ${JSON.stringify(name)}`, {
        detail: { driver, name },
        hint: names === '' ? 'it has none' : `it has: ${names}`,
      });
    }
    if (!(isFree(choices) ? choices.pattern.test(value) : choices.includes(value))) {
      throw new SnapshotError(
        'invalid',
        `${name} of the driver ${driver} cannot be ${JSON.stringify(value)}`,
        {
          detail: { driver, name, value },
          hint: isFree(choices) ? `it is ${choices.what}` : `it is one of: ${choices.join(', ')}`,
        },
      );
    }
    read[name] = value;
  }
  return read as { readonly [Name in keyof T]: Value<T[Name]> };
}

function isFree(setting: Setting): setting is FreeSetting {
  return 'pattern' in setting;
}
