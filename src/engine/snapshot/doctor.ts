import { findDataRoot } from '../../host/index.ts';
import { chooseDriver, driverNames, tryDriver } from '../../snapshot/index.ts';
import { asRoot, checkNamespace } from '../namespace.ts';
import type { CacheOptions } from '../options.ts';
import type { DoctorCheck } from '../zone/report.ts';

/**
 * Whether this machine can use each driver, by trying, and which one is taken if nobody says. For a user who is not root the trials take place in his
 * namespace, and whether he can have one comes first.
 */
export async function checkDrivers(options: CacheOptions = {}): Promise<DoctorCheck[]> {
  const namespace = await checkNamespace(options);
  if (namespace.some(({ ok }) => ok === false)) return namespace;
  const here = { module: import.meta.url, name: tryDrivers.name };
  return [...namespace, ...(await asRoot(here, tryDrivers, options))];
}

/** The same where we are root. Called in another process, too. */
export async function tryDrivers({ root = findDataRoot() }: CacheOptions): Promise<DoctorCheck[]> {
  const checks: DoctorCheck[] = [];
  for (const driver of driverNames) {
    const support = await tryDriver(root, driver);
    checks.push(
      support.usable
        ? { name: driver, ok: true, detail: support.note ?? 'works' }
        : { name: driver, ok: false, detail: support.reason, hint: support.hint },
    );
  }
  return [...checks, await checkChoice(root)];
}

async function checkChoice(root: string): Promise<DoctorCheck> {
  const name = 'snapshots';
  try {
    const { why, copies } = await chooseDriver(root);
    return {
      ...{ name, ok: copies ? 'degraded' : true, detail: why },
      ...(copies && {
        hint: 'each snapshot copies its parent: any other driver is faster, and takes less room',
      }),
    };
  } catch (error) {
    return { name, ok: false, detail: (error as Error).message };
  }
}
