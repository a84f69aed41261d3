import { randomBytes } from 'node:crypto';
import { ZoneError } from '../error.ts';

const idDigits = 12;

/** A new zone's id: 12 hexadecimal digits. */
export function createId(): string {
  return randomBytes(idDigits / 2).toString('hex');
}

/** Whether a name in the directory of zones can be one's. */
export function isId(text: string): boolean {
  return /^[0-9a-f]{12}$/.test(text);
}

/** ZoneError `invalid` for what is no name: letters, digits, `_`, `.` and `-`, at most 63, as a host name may be. */
export function checkName(name: string): string {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/.test(name)) return name;
  throw new ZoneError('invalid', `${JSON.stringify(name)} cannot be the name of a zone`, {
    hint: 'letters, digits, "_", "." and "-", at most 63, beginning with a letter or a digit',
  });
}

/** A host name, RFC 1123: what a workload sees of itself. ZoneError `invalid`. */
export function checkHostname(name: string): string {
  if (/^(?!-)[a-zA-Z0-9-]{1,63}(?<!-)(\.(?!-)[a-zA-Z0-9-]{1,63}(?<!-))*$/.test(name) && name.length <= 64)
    return name;
  throw new ZoneError('invalid', `${JSON.stringify(name)} is no host name`, {
    hint: 'letters, digits and "-", in parts between dots, at most 64 in all',
  });
}

/** A name for a zone that got none: the last part of its image's, and the start of its id. */
export function inventName(reference: string, id: string): string {
  const repository = /([^/:@]+)(?:[:@][^/]*)?$/.exec(reference)?.[1] ?? '';
  const stem = repository.replace(/[^a-zA-Z0-9-]+/g, '-').replace(/^-+|-+$/g, '');
  return `${stem.slice(0, 40) || 'zone'}-${id.slice(0, 4)}`;
}
