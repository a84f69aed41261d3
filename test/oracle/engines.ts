/** Container engines with storage of their own, each for one test: what they make of an image, where it can be listed. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listDisk } from '../disk.ts';
import type { Listing } from '../model/listing.ts';

/** What starting a dockerd came to: it, or why this machine cannot run one. */
export type DockerStart = Docker | { readonly obstacle: string };

/** Asks a path of its API; what it answered. Throws with what it said. */
export interface Docker extends AsyncDisposable {
  ask(method: 'GET' | 'POST', target: string): Promise<string>;
}

/** Starts one whose state is below `directory`, with overlay2 and without any network. */
export async function startDocker(directory: string): Promise<DockerStart> {
  mkdirSync(directory);
  const at = (name: string) => path.join(directory, name);
  const settings = { bridge: 'none', iptables: false, ip6tables: false, 'storage-driver': 'overlay2' };
  writeFileSync(at('daemon.json'), JSON.stringify(settings));
  const words = ['--config-file', at('daemon.json'), '--data-root', at('data'), '--exec-root', at('exec')];
  // Dies with this process, however that ends; and its containerd with it.
  const child = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', 'dockerd', ...words, '--pidfile', at('pid'), '--host', `unix://${at('socket')}`],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  for (let waited = 0; !said.includes('API listen on'); waited += 50) {
    if (child.exitCode !== null || waited >= 60_000) {
      await end(child);
      return { obstacle: said.trim().split('\n').at(-1) ?? 'it said nothing' };
    }
    await sleep(50);
  }
  return {
    ask: (method, target) => ask(at('socket'), method, target),
    [Symbol.asyncDispose]: () => end(child),
  };
}

/** What a dockerd has of an image after pulling it: its directories, as its driver stacks them. */
export async function listPulledByDocker(docker: Docker, reference: string, place: string): Promise<Listing> {
  const pulled = await docker.ask('POST', `/images/create?fromImage=${encodeURIComponent(reference)}`);
  // It answers 200 before it begins, and reports failures on the way.
  if (pulled.includes('"error"')) throw new Error(`docker pull: ${pulled}`);
  const { GraphDriver } = JSON.parse(await docker.ask('GET', `/images/${reference}/json`));
  const { UpperDir, LowerDir } = GraphDriver.Data as Record<string, string | undefined>;
  const lowers = [UpperDir, LowerDir].filter(part => part !== undefined).join(':');
  mkdirSync(place);
  execFileSync('mount', ['-t', 'overlay', '-o', `ro,index=off,lowerdir=${lowers}`, 'docker', place]);
  try {
    return listDisk(place);
  } finally {
    execFileSync('umount', [place]);
  }
}

/** The words of a podman whose storage is below `directory`, and that needs neither cgroups nor a network. */
export const podmanWords = (directory: string): string[] => [
  ...['podman', '--root', path.join(directory, 'podman'), '--runroot', path.join(directory, 'podman-run')],
  ...['--tmpdir', path.join(directory, 'podman-tmp'), '--storage-driver', 'overlay'],
  ...['--cgroup-manager', 'cgroupfs', '--events-backend', 'none'],
];

function ask(socketPath: string, method: string, target: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path: target, timeout: 120_000 }, response => {
      let text = '';
      response.setEncoding('utf8').on('data', (more: string) => {
        text += more;
      });
      response.on('error', reject).on('end', () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`dockerd: ${method} ${target}: ${response.statusCode} ${text}`));
      });
    });
    sent.on('timeout', () => sent.destroy(new Error('dockerd does not answer'))).on('error', reject);
    sent.end();
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise(resolve => child.once('exit', resolve));
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(late);
}
