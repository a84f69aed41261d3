/**
 * Who we are to a registry. Credentials lie where Docker, Podman and Kubernetes keep theirs, in files that only name a
 * program for it (`docker-credential-NAME`) or hold them in base64; this folder finds, keeps and removes them. A
 * `Secret` shows itself to nobody, and no error here quotes a file or a helper's answer.
 */
export type { Credential } from './credential.ts';
export { type CredentialOptions, type CredentialStore, openCredentials } from './find.ts';
export { Secret } from './secret.ts';
export { removeCredential, storeCredential } from './store.ts';
