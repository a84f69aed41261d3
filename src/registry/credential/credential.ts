import type { Secret } from './secret.ts';

/** What a registry is told about who asks. */
export type Credential =
  | { readonly kind: 'basic'; readonly username: string; readonly password: Secret }
  /** An OAuth2 refresh token: `identitytoken` in a file, the secret of the user `<token>` in a helper. */
  | { readonly kind: 'identity'; readonly token: Secret };

/** Helpers, and files for the readers that insist on a user, name an identity token's user so. */
export const tokenUser = '<token>';
