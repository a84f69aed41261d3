import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** A certificate and its key: where they lie, and their text. PEM. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** A new CA in the directory; `sign` makes certificates that it vouches for. */
export function createAuthority(directory: string): Certificate & {
  /** For a server at 127.0.0.1 and localhost, or, with `purpose` client, for whoever shows it. */
  sign(name: string, purpose?: 'server' | 'client'): Certificate;
} {
  const place = (name: string) => ({
    certFile: path.join(directory, `${name}.crt`),
    keyFile: path.join(directory, `${name}.key`),
  });
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  const read = ({ certFile, keyFile }: ReturnType<typeof place>): Certificate => ({
    ...{ certFile, keyFile },
    ...{ cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') },
  });
  const newKey = (file: string) => ['-newkey', 'rsa:2048', '-nodes', '-keyout', file, '-days', '2'];
  const ca = place('ca');
  openssl('req', '-x509', ...newKey(ca.keyFile), '-out', ca.certFile, '-subj', '/CN=test authority');
  return {
    ...read(ca),
    sign: (name, purpose = 'server') => {
      const made = place(name);
      const request = path.join(directory, `${name}.csr`);
      const extensions = path.join(directory, `${name}.ext`);
      openssl('req', ...newKey(made.keyFile), '-out', request, '-subj', `/CN=${name}`);
      writeFileSync(
        extensions,
        purpose === 'server'
          ? 'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n'
          : 'extendedKeyUsage=clientAuth\n',
      );
      openssl(
        ...['x509', '-req', '-in', request, '-CA', ca.certFile, '-CAkey', ca.keyFile, '-CAcreateserial'],
        ...['-days', '2', '-out', made.certFile, '-extfile', extensions],
      );
      return read(made);
    },
  };
}
