import { SnapshotError } from '../error.ts';
import type { DriverName, DriverOptions } from './driver.ts';
import { knownSettings, type Setting } from './known-settings.ts';

type Value<S> = S extends { readonly choices: readonly (infer Choice)[] }
  ? Choice
  : S extends { readonly usual: string }
    ? string
    : string | undefined;
type Known = typeof knownSettings;
export type Settings<Name extends DriverName> = {
  readonly [Key in keyof Known[Name]]: Value<Known[Name][Key]>;
};

/** The settings of a driver, as they were given or as they usually are. SnapshotError `invalid`. */
export function readSettings<Name extends DriverName>(driver: Name, options: DriverOptions): Settings<Name> {
  const known: Readonly<Record<string, Setting>> = knownSettings[driver];
  const read: Record<string, string | undefined> = {};
  for (const [name, setting] of Object.entries(known)) {
    read[name] = 'choices' in setting ? setting.choices[0] : setting.usual;
  }
  for (const [name, value] of Object.entries(options.settings ?? {})) {
    const setting = Object.hasOwn(known, name) ? known[name] : undefined;
    if (setting === undefined) throw noSetting(driver, name, Object.keys(known));
    if (!takes(setting, value)) throw invalidSetting(driver, name, value, describe(setting));
    read[name] = value;
  }
  return read as Settings<Name>;
}

export function invalidSetting(driver: DriverName, name: string, value: string, hint: string): SnapshotError {
  const message = `${name} of the driver ${driver} cannot be ${JSON.stringify(value)}`;
  return new SnapshotError('invalid', message, { detail: { driver, name, value }, hint });
}

function takes(setting: Setting, value: string): boolean {
  if ('choices' in setting) return setting.choices.includes(value);
  return setting.pattern === undefined || setting.pattern.test(value);
}

function describe(setting: Setting): string {
  if ('choices' in setting) return `it is one of: ${setting.choices.join(', ')}`;
  return `it is ${setting.value}: ${setting.help}`;
}

function noSetting(driver: DriverName, name: string, known: readonly string[]): SnapshotError {
  return new SnapshotError('invalid', `the driver ${driver} has no setting ${JSON.stringify(name)}`, {
    detail: { driver, name },
    hint: known.length === 0 ? 'it has none' : `it has: ${known.join(', ')}`,
  });
}
