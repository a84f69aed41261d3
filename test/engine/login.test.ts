import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { login, logout } from '../../src/engine/login.ts';
import { ShaleError } from '../../src/error/index.ts';
import { openCredentials } from '../../src/registry/index.ts';
import { createScratch } from '../host/scratch.ts';
import { password, realRegistry, startRegistry, username } from '../registry/real.ts';
import { requires } from '../requirement.ts';

const skip = requires(realRegistry);

function skopeo(...words: string[]) {
  const { status, stdout, stderr } = spawnSync('skopeo', words, { encoding: 'utf8' });
  return { status, stdout: stdout.trim(), stderr };
}

/** What skopeo is told when it asks for an image that is not there: who may come in is told that, others are not. */
function isLetIn(host: string, authFile: string): boolean {
  const { stderr } = skopeo(
    'inspect',
    '--tls-verify=false',
    `--authfile=${authFile}`,
    `docker://${host}/none:1`,
  );
  assert.match(stderr, /manifest unknown|name unknown|unauthorized|authentication required/i);
  return /unknown/i.test(stderr);
}

async function failure(work: Promise<unknown>): Promise<ShaleError> {
  const error = await work.then(
    () => assert.fail('it did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ShaleError, inspect(error));
  return error;
}

test('what login writes skopeo reads, and the other way round', { skip }, async () => {
  using scratch = createScratch();
  await using registry = await startRegistry({ auth: 'htpasswd' });
  const { host } = registry;
  const authFile = scratch.at('new/auth.json');

  assert.deepEqual(await login(host, { username, password, authFile }), {
    registry: host,
    storedIn: authFile,
  });
  assert.equal(statSync(authFile).mode % 0o1000, 0o600);
  assert.equal(skopeo('login', '--get-login', `--authfile=${authFile}`, host).stdout, username);
  assert.ok(isLetIn(host, authFile));

  assert.equal(skopeo('logout', `--authfile=${authFile}`, host).status, 0);
  assert.equal(await openCredentials({ authFile }).find(host, 'x'), undefined);
  assert.ok(!isLetIn(host, authFile));
  assert.deepEqual(await logout(host, { authFile }), { removedFrom: [] });

  const theirs = skopeo(
    'login',
    '--tls-verify=false',
    `--authfile=${authFile}`,
    `-u=${username}`,
    `-p=${password}`,
    host,
  );
  assert.equal(theirs.status, 0, theirs.stderr);
  const found = await openCredentials({ authFile }).find(host, 'x');
  assert.ok(found?.kind === 'basic');
  assert.deepEqual([found.username, found.password.reveal()], [username, password]);
  assert.deepEqual(await logout(`http://${host}/v2/`, { authFile }), { removedFrom: [authFile] });
  assert.ok(!isLetIn(host, authFile));
});

test('a credential that the registry refuses is not kept, and not shown', { skip }, async () => {
  using scratch = createScratch();
  for (const auth of ['htpasswd', 'token'] as const) {
    await using registry = await startRegistry({ auth });
    const authFile = scratch.at(`${auth}.json`);
    const error = await failure(
      login(registry.host, { username, password: 'hunter2-hunter2', authFile, retries: 0 }),
    );
    assert.equal(error.code, 'unauthenticated');
    assert.ok(error.message.includes(registry.host));
    const shown = `${inspect(error, { depth: 20, showHidden: true })}${JSON.stringify(error.detail)}`;
    const encoded = Buffer.from(`${username}:hunter2-hunter2`).toString('base64');
    assert.ok(!shown.includes('hunter2') && !shown.includes(encoded), shown);
    assert.ok(!existsSync(authFile));
    await login(registry.host, { username, password, authFile });
    assert.ok(existsSync(authFile));
  }
});

test('login over TLS takes the certificate that it is given', { skip }, async () => {
  using scratch = createScratch();
  await using registry = await startRegistry({ auth: 'htpasswd', tls: true });
  const authFile = scratch.at('auth.json');
  const { storedIn } = await login(registry.host, {
    username,
    password,
    authFile,
    certDir: registry.certDir,
  });
  assert.equal(storedIn, authFile);
});

test('a credential helper of the file gets what login has tried', { skip }, async () => {
  using scratch = createScratch();
  await using registry = await startRegistry({ auth: 'htpasswd' });
  mkdirSync(scratch.at('bin'));
  const kept = scratch.at('kept');
  const script = `#!/bin/sh\ncase $1 in store) cat > ${kept} ;; get) cat ${kept} ;; erase) rm ${kept} ;; esac\n`;
  writeFileSync(scratch.at('bin/docker-credential-shale-test'), script, { mode: 0o755 });
  const authFile = scratch.at('auth.json');
  writeFileSync(authFile, JSON.stringify({ credHelpers: { [registry.host]: 'shale-test' } }));
  const before = process.env.PATH;
  process.env.PATH = `${scratch.at('bin')}:${before}`;
  try {
    const { storedIn } = await login(registry.host, { username, password, authFile });
    assert.equal(storedIn, 'docker-credential-shale-test');
    assert.equal(JSON.parse(readFileSync(kept, 'utf8')).Secret, password);
    assert.ok(!readFileSync(authFile, 'utf8').includes('auths'));
    assert.ok(isLetIn(registry.host, authFile), 'skopeo asks the same helper');
    assert.deepEqual(await logout(registry.host, { authFile }), {
      removedFrom: ['docker-credential-shale-test'],
    });
    assert.ok(!existsSync(kept));
  } finally {
    process.env.PATH = before;
  }
});

test('a registry is a host, and no more', async () => {
  for (const name of ['', 'ghcr.io/org', 'https://ghcr.io/x/y', 'a b', '-x', '../x', 'user@host']) {
    assert.equal((await failure(login(name, { username: 'u', password: 'p' }))).code, 'invalid', name);
    assert.equal((await failure(logout(name))).code, 'invalid', name);
  }
  assert.equal((await failure(login('r.example', { username: 'a:b', password: 'p' }))).code, 'invalid');
});
