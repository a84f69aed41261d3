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
    if (choices === undefined) throw noSetting(driver, name, Object.keys(known));
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

/** The settings of a driver that may be any text, as far as they are given. SnapshotError `invalid`. */
export function readTexts<Name extends string>(
  driver: DriverName,
  { settings = {} }: DriverOptions,
  known: readonly Name[],
): { readonly [Key in Name]?: string } {
  const stray = Object.keys(settings).find(name => !known.includes(name as Name));
  if (stray !== undefined) throw noSetting(driver, stray, known);
  return settings as { readonly [Key in Name]?: string };
}

function noSetting(driver: DriverName, name: string, known: readonly string[]): SnapshotError {
  return new SnapshotError('invalid', `the driver ${driver} has no setting ${JSON.stringify(name)}`, {
    detail: { driver, name },
    hint: known.length === 0 ? 'it has none' : `it has: ${known.join(', ')}`,
  });
}
