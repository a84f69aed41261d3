import { knownSettings, type Setting } from '../../snapshot/driver/known-settings.ts';

export { driverNames } from '../../snapshot/driver/known-settings.ts';

/** A setting of one or more drivers, for people: `volatile=off|on`, and what it does. */
export interface DriverSetting {
  readonly flag: string;
  readonly help: string;
}

/** What `--driver-option` takes, in the order of the drivers; settings that drivers share are told once. */
export function listDriverSettings(): readonly DriverSetting[] {
  const drivers = new Map<Setting, { readonly name: string; readonly of: string[] }>();
  for (const [driver, settings] of Object.entries(knownSettings)) {
    for (const [name, setting] of Object.entries<Setting>(settings)) {
      const known = drivers.get(setting);
      if (known === undefined) drivers.set(setting, { name, of: [driver] });
      else known.of.push(driver);
    }
  }
  return Array.from(drivers, ([setting, { name, of }]) => {
    const usual = 'choices' in setting ? setting.choices[0] : setting.usual;
    return {
      flag: `${name}=${'choices' in setting ? setting.choices.join('|') : setting.value}`,
      help: `${of.join(', ')}: ${setting.help}${usual === undefined ? '' : ` (default: ${usual})`}`,
    };
  });
}
