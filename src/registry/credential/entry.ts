import type { DocumentTable } from '../document.ts';
import { type Credential, tokenUser } from './credential.ts';
import { Secret } from './secret.ts';

/**
 * What one entry of `auths` says, `undefined` if nothing: Docker leaves empty ones behind as marks that a helper has the
 * credential. RegistryError `invalid`, without the value, if it cannot be read.
 *
 * As Docker reads it: a token comes first, then `auth`, then `username` and `password`; zeros at the end of a password
 * are dropped. As Kubernetes reads it: base64 may lack its padding.
 */
export function readEntry(entry: DocumentTable): Credential | undefined {
  const token = entry.string('identitytoken');
  if (token) return { kind: 'identity', token: new Secret(token) };
  const decoded = decode(entry);
  if (decoded !== undefined && decoded !== '') {
    const colon = decoded.indexOf(':');
    if (colon === -1) entry.fail('auth', 'is not base64 of user:password', { hint: again });
    const password = decoded.slice(colon + 1).replace(/^\0+|\0+$/g, '');
    return basic(decoded.slice(0, colon), password);
  }
  const [username, password] = [entry.string('username'), entry.string('password')];
  return username === undefined || password === undefined ? undefined : basic(username, password);
}

const again = 'log in again, or write it with: printf %s USER:PASSWORD | base64 -w0';

function decode(entry: DocumentTable): string | undefined {
  const auth = entry.string('auth')?.replace(/\s/g, '');
  if (auth === undefined) return undefined;
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(auth)) entry.fail('auth', 'is not base64', { hint: again });
  return Buffer.from(auth, 'base64').toString('utf8');
}

function basic(username: string, password: string): Credential {
  return username === tokenUser
    ? { kind: 'identity', token: new Secret(password) }
    : { kind: 'basic', username, password: new Secret(password) };
}

/** The entry that every reader understands. It is the secret itself, in base64. */
export function formatEntry(credential: Credential): Readonly<Record<string, string>> {
  if (credential.kind === 'basic') {
    return { auth: encode(`${credential.username}:${credential.password.reveal()}`) };
  }
  // Podman looks at the token only beside an `auth` that is well-formed.
  return { auth: encode(`${tokenUser}:`), identitytoken: credential.token.reveal() };
}

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
