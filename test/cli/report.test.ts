/** What the commands of the cache and of registries print, of results as the engine gives them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAge, formatDuration } from '../../src/cli/quantity.ts';
import { familiar, pinned, shortDigest } from '../../src/cli/reference.ts';
import { formatUsage } from '../../src/cli/run/du.ts';
import { formatDamage } from '../../src/cli/run/fsck.ts';
import { formatGarbage } from '../../src/cli/run/gc.ts';
import { formatImages } from '../../src/cli/run/images.ts';
import { formatLogin } from '../../src/cli/run/login.ts';
import { formatPull } from '../../src/cli/run/pull.ts';
import { formatTransfer } from '../../src/cli/transfer.ts';
import type { CopiedBlob } from '../../src/engine/copy.ts';
import { parseDigest } from '../../src/oci/index.ts';

const digest = parseDigest(`sha256:${'5f70bf18'.repeat(8)}`);
const evil = '\x1b[31m\n';
const steers = /[\x00-\x1f\x7f-\x9f]/;

test('names: pinned by a digest, and as people write them', () => {
  assert.equal(pinned('docker.io/library/nginx:latest', digest), `docker.io/library/nginx@${digest}`);
  assert.equal(pinned('host:5000/a/b:1', digest), `host:5000/a/b@${digest}`);
  assert.equal(pinned('host:5000/a/b', digest), `host:5000/a/b@${digest}`);
  assert.equal(pinned(`ghcr.io/a/b:1@${digest}`, digest), `ghcr.io/a/b@${digest}`);
  assert.equal(familiar('docker.io/library/nginx:latest'), 'nginx:latest');
  assert.equal(familiar('docker.io/grafana/loki:3'), 'grafana/loki:3');
  assert.equal(familiar('ghcr.io/library/x:1'), 'ghcr.io/library/x:1');
  assert.equal(shortDigest(digest), '5f70bf185f70');
});

test('images: what docker users look for, digests in full where asked', () => {
  const image = {
    ...{
      reference: 'docker.io/library/nginx:latest',
      platform: 'linux/amd64',
      digest,
      manifestDigest: digest,
    },
    ...{ size: 61_000_000, artifacts: [{ format: 'squashfs', bytes: 58_200_000, path: '/x' }] },
    configDigest: digest,
    ...{ pulled: '2026-11-20T20:00:00Z', used: '2026-11-20T20:00:00Z' },
  };
  const other = { ...image, reference: `ghcr.io/a/b:1${evil}`, platform: 'linux/arm64/v8', artifacts: [] };
  const now = Date.parse('2026-11-20T23:10:00Z');
  const [head, first, second, ...rest] = formatImages([image, other], { full: false, now });
  assert.deepEqual(head!.split(/\s+/), ['REFERENCE', 'PLATFORM', 'DIGEST', 'SIZE', 'ARTIFACTS', 'PULLED']);
  assert.match(
    first!,
    /^nginx:latest +linux\/amd64 +5f70bf185f70 +61\.0 MB {2}squashfs 58\.2 MB {2}3 hours ago$/,
  );
  assert.match(second!, / - +3 hours ago$/);
  assert.equal(rest.length, 0);
  assert.doesNotMatch(second!, steers);
  assert.ok(formatImages([image], { full: true, now })[1]!.includes(`docker.io/library/nginx:latest`));
  assert.ok(formatImages([image], { full: true, now })[1]!.includes(digest));
  assert.equal(formatImages([], { full: false, now }).length, 1);
});

test('pull: what was downloaded, what was there, where the artifact is', () => {
  const layers = [true, true, false].map(cached => ({ digest, size: 10_000_000, cached }));
  const result = {
    ...{
      reference: 'docker.io/library/nginx:latest',
      digest,
      manifestDigest: digest,
      platform: 'linux/amd64',
    },
    ...{ layers, downloadedBytes: 10_000_000, upToDate: false, warnings: { counts: {}, examples: [] } },
    artifact: { path: `/cache/a${evil}.sqfs`, format: 'squashfs', bytes: 31_000_000, digest, reused: false },
  };
  const [first, second] = formatPull(result, 2);
  assert.equal(
    first,
    'docker.io/library/nginx:latest (linux/amd64): downloaded 10.0 MB; 2 of 3 layers were there; in 2.00 s, 5.00 MB/s',
  );
  assert.equal(second, '/cache/a\\x1b[31m\\x0a.sqfs: squashfs, 31.0 MB');
  const { artifact: _, ...only } = result;
  const again = formatPull({ ...only, upToDate: true, downloadedBytes: 0 }, 1);
  assert.deepEqual(again, ['docker.io/library/nginx:latest (linux/amd64): up to date']);
});

test('copy and push: how many blobs moved, and why others did not', () => {
  assert.equal(
    formatTransfer(
      {
        blobs: ['pushed', 'pushed', 'mounted', 'exists', 'exists'].map(
          how => ({ digest, size: 500, how }) as CopiedBlob,
        ),
        leftOut: [],
      },
      1,
    ),
    '2 blobs pushed, 1.00 kB; 1 mounted from another repository; 2 already there; in 1.00 s, 1.00 kB/s',
  );
  assert.match(
    formatTransfer({ blobs: [{ digest, size: 500, how: 'exists' }], leftOut: [digest] }, 1),
    /^1 already there; 1 foreign layer left out/,
  );
});

test('gc: what goes and why; in a dry run also why the rest stays', () => {
  const item = (name: string, reason: string) => ({ kind: 'blob' as const, name, bytes: 2_000_000, reason });
  const report = {
    ...{ removed: [item(digest, 'no image needs it')], kept: [item(`k${evil}`, 'layer of nginx:latest')] },
    freedBytes: 2_000_000,
  };
  const dry = formatGarbage(report, { dryRun: true });
  assert.match(dry[0]!, /^remove +blob +sha256:5f70\S+ +2\.00 MB {2}no image needs it$/);
  assert.match(dry[1]!, /^keep +blob +k\\x1b\[31m\\x0a +2\.00 MB {2}layer of nginx:latest$/);
  const done = formatGarbage(report, { dryRun: false });
  assert.deepEqual([done.length, /^removed /.test(done[0]!)], [1, true]);
});

test('fsck: what is damaged, how, and what was done', () => {
  const lines = formatDamage({
    damaged: [
      { kind: 'blob', name: digest, problem: 'its digest is another one', action: 'refetched' },
      { kind: 'artifact', name: `a${evil}`, problem: 'it is cut', action: 'none' },
    ],
  });
  assert.match(lines[0]!, /^blob +sha256:\S+ +downloaded again {2}its digest is another one$/);
  assert.match(lines[1]!, /^artifact +a\\x1b\[31m\\x0a +damaged +it is cut$/);
});

test('du: a row a kind, a total, and the images', () => {
  const lines = formatUsage({
    images: [
      {
        ...{ reference: `docker.io/library/a:1${evil}`, platform: 'linux/amd64' },
        ...{ size: 1_000_000, unique: 20, artifacts: 3_000_000, sharedArtifacts: 0 },
      },
    ],
    rows: [
      { kind: 'blobs', count: 12, bytes: 1_000_000, reclaimable: 250_000 },
      { kind: 'artifacts', count: 1, bytes: 3_000_000, reclaimable: 0 },
    ],
  });
  assert.deepEqual(
    lines.map(line => line.split(/ {2,}/)),
    [
      ['KIND', 'COUNT', 'SIZE', 'RECLAIMABLE'],
      ['blobs', '12', '1.00 MB', '250 kB (25%)'],
      ['artifacts', '1', '3.00 MB', '0 B (0%)'],
      ['total', '13', '4.00 MB', '250 kB (6%)'],
      [''],
      ['IMAGE', 'PLATFORM', 'SIZE', 'UNIQUE', 'ARTIFACTS'],
      ['a:1\\x1b[31m\\x0a', 'linux/amd64', '1.00 MB', '20 B', '3.00 MB'],
    ],
  );
});

test('login: a file is said to be without encryption, a helper is not', () => {
  const of = (storedIn: string) => formatLogin({ registry: 'ghcr.io', username: 'me', storedIn });
  assert.match(of('/home/me/.config/containers/auth.json'), /kept in \/home.*auth\.json, not encrypted/);
  assert.doesNotMatch(of('docker-credential-pass'), /not encrypted/);
});

test('durations and ages', () => {
  assert.deepEqual([0, 11.2, 59.5, 185, 3600, 7500].map(formatDuration), [
    '1 s',
    '12 s',
    '1 min 00 s',
    '3 min 05 s',
    '1 h 00 min',
    '2 h 05 min',
  ]);
  const at = (seconds: number) => formatAge(1_000_000, 1_000_000 + seconds * 1000);
  assert.deepEqual([-5, 1, 59, 60, 7200, 86_400, 40 * 86_400, 800 * 86_400].map(at), [
    '0 seconds ago',
    '1 second ago',
    '59 seconds ago',
    '1 minute ago',
    '2 hours ago',
    '1 day ago',
    '1 month ago',
    '2 years ago',
  ]);
});
