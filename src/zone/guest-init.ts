import { fileURLToPath } from 'node:url';
import { ZoneError } from './error.ts';

/** Kernel architectures that there is an init for, by OCI's name. */
const inits: Readonly<Record<string, string>> = { amd64: '../../guest/init-x86_64' };

/** Path of the init that zones of this architecture boot with: part of this package (`guest/`). ZoneError `unsupported`. */
export function guestInit(architecture: string): string {
  const init = inits[architecture];
  if (init !== undefined) return fileURLToPath(new URL(init, import.meta.url));
  throw new ZoneError('unsupported', `there are no zones on ${architecture} yet`, {
    detail: { architecture, supported: Object.keys(inits) },
  });
}
