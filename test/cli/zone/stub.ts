import { writeFileSync } from 'node:fs';
import type {
  AttachRequest,
  RunRequest,
  RunResult,
  ZoneEnd,
  ZoneStreams,
} from '../../../src/engine/zone/request.ts';
import { ShaleError } from '../../../src/error/index.ts';

/**
 * Stands in for the engine's zones: what the image's name says happens, without any machine. Loaded into the command line by
 * `preload`.
 */
const times = { steps: [{ name: 'kernel', milliseconds: 1 }], total: 1, warm: false };

export async function runZone(image: string, request: RunRequest): Promise<RunResult> {
  const end = await play(image, request);
  return { id: 'ab12', name: request.name ?? 'calm-stone', times, ...end };
}

export async function execZone(zone: string, request: RunRequest): Promise<ZoneEnd> {
  return await play(zone, request);
}

export async function inspectZone(name: string): Promise<object> {
  return { name, interactive: true, terminal: process.stdin.isTTY === true };
}

export async function attachZone(zone: string, request: AttachRequest): Promise<ZoneEnd> {
  return await play(zone, request as RunRequest);
}

const write = async (streams: ZoneStreams, text: string) => await streams.stdout(Buffer.from(text));

async function play(role: string, request: RunRequest): Promise<ZoneEnd> {
  // A machine keeps the process alive.
  const alive = setInterval(() => {}, 1000);
  try {
    return await act(role, request);
  } finally {
    clearInterval(alive);
  }
}

async function act(role: string, request: RunRequest): Promise<ZoneEnd> {
  const { streams, signal, onStart } = request;
  const aborted = new Promise<never>((_, reject) => {
    const abort = () => reject(new ShaleError('cancelled', 'cancelled', { cause: signal?.reason }));
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort);
  });
  aborted.catch(() => {});
  const ended = Promise.withResolvers<ZoneEnd>();
  const signals: string[] = [];
  const start = () =>
    onStart?.({
      ...{ id: 'ab12', name: 'calm-stone' },
      signal: name => {
        signals.push(name);
        void write(streams, `${name}\n`);
        if (name === 'SIGTERM') ended.resolve({ status: 143, signal: name });
      },
      detach: () => ended.resolve({ status: undefined }),
    });
  switch (role) {
    case 'request': {
      // What can be said of it in JSON.
      const { streams, signal: _, ...rest } = request;
      const { stdin, terminal } = streams;
      await write(
        streams,
        JSON.stringify({ ...rest, stdin: stdin !== undefined, terminal: terminal?.size() }),
      );
      return { status: 7 };
    }
    case 'boot':
      process.stderr.write('booting\n');
      return await aborted;
    case 'wait':
      start();
      await write(streams, 'waiting\n');
      return await Promise.race([ended.promise, aborted]);
    case 'echo': {
      start();
      await write(streams, 'ready\n');
      let bytes = 0;
      for await (const chunk of streams.stdin!) {
        bytes += chunk.length;
        await streams.stdout(chunk);
        if (chunk.includes(4)) break;
      }
      await streams.stderr(Buffer.from(`${bytes} bytes\n`));
      return { status: 0 };
    }
    case 'keys': {
      // What is typed, as hexadecimal digits, until Ctrl-D, a signal or the keys that let go.
      start();
      const { terminal } = streams;
      const tell = () => write(streams, `size ${terminal!.size().rows}x${terminal!.size().columns}\n`);
      terminal?.onResize(() => void tell());
      if (terminal !== undefined) await tell();
      const read = (async () => {
        for await (const chunk of streams.stdin!) {
          await write(streams, `<${Buffer.from(chunk).toString('hex')}>\n`);
          if (chunk.includes(4)) return { status: 3 };
        }
        return { status: 4 };
      })();
      return await Promise.race([read, ended.promise, aborted]);
    }
    case 'dies':
      start();
      await write(streams, 'ready\n');
      throw new ShaleError('unavailable', 'the machine is gone\x1b[2J');
    case 'flood': {
      start();
      const chunk = Buffer.alloc(65_536, 'flood\n');
      let taken = 0;
      try {
        for (; taken < 20_000; taken++) {
          signal?.throwIfAborted();
          await streams.stdout(chunk);
        }
      } finally {
        writeFileSync(process.env.FLOOD!, `${taken} ${process.memoryUsage.rss()}`);
      }
      return { status: 0 };
    }
    case 'limit':
      return { status: 137, timedOut: true };
    case 'memory':
      return { status: 137, outOfMemory: true };
    case 'tell':
      request.onNotice?.('KVM does not work here');
      request.onConsole?.('Linux\n');
      request.onTimes?.(times);
      request.onProgress?.({ type: 'image', layers: [{ name: 'a', size: 1, cached: true }] });
      request.onProgress?.({ type: 'finish' });
      return { status: 0 };
    default:
      throw new ShaleError('not-found', `no role ${role}`);
  }
}

export async function removeZones(): Promise<object[]> {
  return [];
}

export const killZones = removeZones;
