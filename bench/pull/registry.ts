import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { type Daemon, startDaemon } from './daemon.ts';
import { run } from './packages.ts';

/** Debian's docker-registry on a local port, over a storage that stays. */
export interface Registry extends AsyncDisposable {
  readonly daemon: Daemon;
  /** What the peers call the image. */
  reference(image: string): string;
  /** Bytes of response bodies since it started, by its own account. */
  sentBytes(): number;
  /** Brings the blobs of `image` into the page cache. */
  warm(image: string): void;
}

/** `scratch` takes configuration and log. */
export async function startRegistry(storage: string, scratch: string): Promise<Registry> {
  const address = `127.0.0.1:${await findPort()}`;
  mkdirSync(scratch, { recursive: true });
  mkdirSync(storage, { recursive: true });
  const configuration = path.join(scratch, 'registry.json');
  writeFileSync(
    configuration,
    JSON.stringify({
      version: 0.1,
      log: { level: 'info', formatter: 'json', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
      http: { addr: address },
    }),
  );
  const log = path.join(scratch, 'registry.log');
  const isReady = async () =>
    await fetch(`http://${address}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    );
  const daemon = await startDaemon('docker-registry', ['serve', configuration], log, isReady);
  return {
    daemon,
    reference: image => `${address}/${image}:latest`,
    sentBytes: () => sumWritten(readFileSync(log, 'utf8')),
    warm: image => {
      const links = path.join(storage, 'docker/registry/v2/repositories', image, '_layers/sha256');
      const blobs = path.join(storage, 'docker/registry/v2/blobs/sha256');
      const script =
        'for digest in $(ls "$1"); do cat "$2/$(echo "$digest" | cut -c 1-2)/$digest/data"; done > /dev/null';
      run('sh', ['-c', script, 'sh', links, blobs]);
    },
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

function sumWritten(log: string): number {
  const completed = log.split('\n').filter(line => line.includes('"response completed"'));
  return completed.reduce((sum, line) => sum + Number(JSON.parse(line)['http.response.written'] ?? 0), 0);
}

/** A port that is free now. */
async function findPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise(resolve => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
