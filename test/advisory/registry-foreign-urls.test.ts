import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { mediaTypes } from '../../src/oci/index.ts';
import { Files, sha256 } from '../archive/fixture.ts';
import { Cache } from '../registry/cache.ts';
import { startFakeRegistry, startTokenServer } from '../registry/fake.ts';
import { noisyLayer } from '../registry/image.ts';

// CVE-2020-15157: the `urls` of a layer named a host of the attacker, which asked for a login, and got the registry's.

const credential = { username: 'victim', password: 'hunter2-hunter2' };
const encoded = Buffer.from(`${credential.username}:${credential.password}`).toString('base64');

for (const answer of ['content', 'basic', 'bearer'] as const) {
  test(`a foreign url that answers with ${answer} gets no credential`, async () => {
    await using collector = await startTokenServer();
    await using foreign = await startFakeRegistry();
    await using registry = await startFakeRegistry({ auth: { kind: 'basic', ...credential } });
    using cache = new Cache();
    const tar = noisyLayer(1);
    const files = new Files();
    const config = files.blob(mediaTypes.config, {
      os: 'linux',
      architecture: 'amd64',
      rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(tar)}`] },
    });
    const layer = {
      mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
      digest: `sha256:${sha256(tar)}`,
      size: tar.length,
      urls: [`${foreign.origin}/layer`],
    };
    files.layout(files.blob(mediaTypes.manifest, { schemaVersion: 2, config, layers: [layer] }));
    registry.put('app:1', files);
    foreign.files.set('/layer', tar);
    const challenge = {
      content: undefined,
      basic: 'Basic realm="give it to me"',
      bearer: `Bearer realm="${collector.realm}",service="${registry.host}",scope="repository:app:pull"`,
    }[answer];
    if (challenge) foreign.on({}, { status: 401, headers: { 'www-authenticate': challenge } });
    const authFile = cache.file('auth.json');
    writeFileSync(authFile, JSON.stringify({ auths: { [registry.host]: { auth: encoded } } }));

    const ended = await cache.run([
      'pull',
      `${registry.host}/app:1`,
      '--authfile',
      authFile,
      '--retries',
      '0',
    ]);
    assert.ok(answer === 'content' || ended.status !== 0);
    assert.notEqual(ended.status, 1, ended.stderr);
    assert.ok(registry.requests.some(({ headers }) => headers.authorization === `Basic ${encoded}`));
    for (const { headers, query } of [...foreign.requests, ...collector.requests]) {
      assert.equal(headers.authorization, undefined);
      assert.doesNotMatch(`${query}`, /victim|hunter2/);
    }
    assert.ok(!ended.stderr.includes(credential.password) && !ended.stderr.includes(encoded));
  });
}
