import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { formatMounts } from '../../src/cli/snapshot/mount-command.ts';

/** What a shell makes of a line, word by word. */
function words(line: string): string[] {
  const mount = 'mount() { for word; do printf "%s\\0" "$word"; done; }\n';
  return execFileSync('sh', ['-c', mount + line])
    .toString()
    .split('\0')
    .slice(0, -1);
}

const paths = ['/plain', "/it's", '/$(id)`id`;&|<>*', '/"\\a,b:c', '/a\nb', '/\x1b[31m\x07', '/ä€', '/-x y/'];

for (const path of paths) {
  test(`a shell takes ${JSON.stringify(path)} as it is, and a terminal nothing amiss`, () => {
    const overlay = formatMounts([
      { type: 'overlay', source: 'overlay', options: ['index=off', `lowerdir=${path}`] },
    ]);
    assert.doesNotMatch(overlay.trimEnd(), /[\x00-\x1f\x7f]/);
    assert.deepEqual(words(overlay), [
      ...['-t', 'overlay', '-o', `nosuid,nodev,index=off,lowerdir=${path}`, 'overlay', 'TARGET'],
    ]);
    const bind = formatMounts([{ type: 'bind', source: path, options: ['ro', 'rbind'] }]);
    assert.deepEqual(words(bind), [
      ...['--rbind', path, 'TARGET'],
      ...['-o', 'remount,bind,nosuid,nodev,ro', 'TARGET'],
    ]);
  });
}
