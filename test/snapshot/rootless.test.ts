import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { createUser, requiresUser } from '../ordinary-user.ts';
import { requires } from '../requirement.ts';

/**
 * The suites of drivers once more, as an ordinary user: each runs in his namespace, as a test run of its own.
 */
function suiteAsUser(
  name: string,
  file: string,
  { skip, environment }: { skip: string | false; environment?: Readonly<Record<string, string>> },
): void {
  test(`as an ordinary user: ${name}`, { skip }, () => {
    using user = createUser(environment === undefined ? {} : { environment });
    const [node] = user.shale;
    const suite = path.join(user.repository, 'test', 'snapshot', file);
    const words = ['unshare', '--', node, '--test', '--test-reporter=tap', suite];
    const { status, stdout, stderr } = user.run(...user.shale, ...words);
    const counts = Object.fromEntries(
      [...stdout.matchAll(/^# (tests|pass|skipped) (\d+)$/gm)].map(([, what, count]) => [
        what,
        Number(count),
      ]),
    );
    const failures = stdout.split('\n').filter((_, index, lines) => {
      return lines.slice(Math.max(0, index - 25), index + 1).some(line => /^\s*not ok/.test(line));
    });
    assert.equal(status, 0, `${failures.join('\n')}\n${stderr}`);
    assert.ok(counts.pass! >= 20, stdout);
    assert.deepEqual([counts.pass, counts.skipped], [counts.tests, 0]);
  });
}

const fuse = requires({ tools: ['fuse-overlayfs'], mounts: ['fuse'] });
suiteAsUser('overlayfs', 'overlayfs.test.ts', { skip: requiresUser() || requires({ mounts: ['overlay'] }) });
suiteAsUser('native', 'native.test.ts', { skip: requiresUser() });
suiteAsUser('fuse-overlayfs', 'fuse-overlayfs.test.ts', { skip: requiresUser() || fuse });
suiteAsUser('fuse-overlayfs where no device may be made', 'fuse-overlayfs.test.ts', {
  skip: requiresUser() || fuse,
  environment: { FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT: '1' },
});
