/**
 * Debian's `docker-registry`, started for one test and gone after it. Tests that use it skip without the tools:
 * `{ skip: requires(realRegistry) }`.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createSign, randomUUID, X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Certificate, createAuthority } from './certificate.ts';
import { listen } from './listen.ts';
import { startTokenServer, type TokenServer } from './token.ts';

export const realRegistry = { tools: ['docker-registry', 'skopeo', 'htpasswd', 'openssl', 'setpriv'] };

export const [username, password] = ['tester', 'correct horse'];

export interface RealRegistryOptions {
  /** Who may come in: {@link username} with {@link password}; anyone, if not given. */
  readonly auth?: 'htpasswd' | 'token' | undefined;
  /** Whether it speaks https, with a certificate that `certDir` vouches for. */
  readonly tls?: boolean | undefined;
}

export interface RealRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`, as in a reference. */
  readonly host: string;
  readonly origin: string;
  /** Where its blobs lie, to look at or to damage. */
  readonly storage: string;
  /** A directory with the `ca.crt` that signed its certificate, for `--cert-dir`; undefined without TLS. */
  readonly certDir: string | undefined;
  /** Who gives the tokens, if `auth` is token. */
  readonly tokens: TokenServer | undefined;
  /** Skopeo's options to reach it: `--src-` and such before each. */
  skopeo(prefix?: 'src-' | 'dest-'): string[];
  /** An auth.json that knows the password, as `--authfile` takes it. */
  readonly authFile: string;
  /** What it said so far. */
  log(): string;
}

export async function startRegistry(options: RealRegistryOptions = {}): Promise<RealRegistry> {
  const directory = mkdtempSync(path.join(tmpdir(), 'shale-registry-'));
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rmSync(directory, { recursive: true, force: true }));
  const storage = path.join(directory, 'storage');
  const certDir = path.join(directory, 'certs');
  mkdirSync(certDir);
  const authority = options.tls || options.auth === 'token' ? createAuthority(directory) : undefined;
  if (authority) writeFileSync(path.join(certDir, 'ca.crt'), authority.cert);
  const server = authority && options.tls ? authority.sign('server') : undefined;
  const signer = authority && options.auth === 'token' ? authority.sign('signer', 'client') : undefined;
  const tokens =
    signer && undo.use(await startTokenServer({ users: { [username]: password }, mint: mintWith(signer) }));
  if (options.auth === 'htpasswd') {
    const line = execFileSync('htpasswd', ['-Bbn', username, password]);
    writeFileSync(path.join(directory, 'htpasswd'), line);
  }

  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const origin = `${server ? 'https' : 'http'}://${host}`;
  const configuration = {
    version: 0.1,
    log: { level: 'info', accesslog: { disabled: false } },
    storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
    http: {
      addr: host,
      ...(server && { tls: { certificate: server.certFile, key: server.keyFile } }),
    },
    ...(options.auth === 'htpasswd' && {
      auth: { htpasswd: { realm: 'test', path: path.join(directory, 'htpasswd') } },
    }),
    ...(tokens && {
      auth: {
        token: { realm: tokens.realm, service: 'test', issuer: 'test', rootcertbundle: authority?.certFile },
      },
    }),
  };
  const file = path.join(directory, 'config.yml');
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(configuration));

  let said = '';
  // Dies with this process, however that ends.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'docker-registry', 'serve', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  undo.defer(() => kill(child));
  child.stdout.on('data', (chunk: Buffer) => (said += chunk));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk));
  await waitUntil(
    () => said.includes(`listening on ${host}`),
    child,
    () => said,
  );

  const credential = options.auth ? `${username}:${password}` : undefined;
  const authFile = path.join(directory, 'auth.json');
  const auths = credential ? { [host]: { auth: Buffer.from(credential).toString('base64') } } : {};
  writeFileSync(authFile, JSON.stringify({ auths }), { mode: 0o600 });
  const running = undo.move();
  return {
    ...{ host, origin, storage, tokens, authFile },
    certDir: server && certDir,
    skopeo: (prefix?: 'src-' | 'dest-') => [
      ...(server ? [`--${prefix ?? ''}cert-dir=${certDir}`] : [`--${prefix ?? ''}tls-verify=false`]),
      ...(credential ? [`--${prefix ?? ''}creds=${credential}`] : []),
    ],
    log: () => said,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Tokens as the registry's `auth.token` wants them: RS256, with the certificate in `x5c`. */
function mintWith(signer: Certificate) {
  return ({ subject, service, access }: { subject: string; service: string; access: readonly object[] }) => {
    const now = Math.floor(Date.now() / 1000);
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const x5c = [new X509Certificate(signer.cert).raw.toString('base64')];
    const claims = {
      ...{ iss: 'test', sub: subject, aud: service, access, jti: randomUUID() },
      ...{ iat: now, nbf: now - 10, exp: now + 300 },
    };
    const text = `${encode({ typ: 'JWT', alg: 'RS256', x5c })}.${encode(claims)}`;
    return `${text}.${createSign('sha256').update(text).sign(signer.key, 'base64url')}`;
  };
}

async function freePort(): Promise<number> {
  await using listening = await listen(createServer(), 'http');
  return listening.port;
}

async function waitUntil(isThere: () => boolean, child: ChildProcess, said: () => string): Promise<void> {
  for (let waited = 0; waited < 10_000; waited += 20) {
    if (isThere()) return;
    if (child.exitCode !== null) break;
    await sleep(20);
  }
  throw new Error(`docker-registry did not start:\n${said()}`);
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise(resolve => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}
