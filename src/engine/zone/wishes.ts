import { ShaleError } from '../../error/index.ts';
import type { PublishedPort } from '../../vmm/index.ts';
import { parseSignal } from '../../zone/signal.ts';
import type { RunRequest } from './request.ts';

const mebibyte = 1024 * 1024;
/** Milliseconds that each of two attempts to boot may take: fifteen times what emulation takes on a slow machine. */
export const defaultBootTimeout = 20_000;

export const defaultMemory = 512 * mebibyte;
/** With less than this Debian's cloud kernel panics before the command has begun. */
const leastMemory = 96 * mebibyte;
const mostMemory = 1024 * 1024 * mebibyte;
const mostCpus = 255;

/** Bytes of a zone's memory, whole MiB. ShaleError `invalid`. */
export function checkMemory(bytes: number = defaultMemory): number {
  if (bytes >= leastMemory && bytes <= mostMemory && Number.isInteger(bytes))
    return bytes - (bytes % mebibyte);
  throw new ShaleError('invalid', `a zone cannot have ${bytes} bytes of memory`, {
    hint: 'from 96M to 1T',
  });
}

export function checkCpus(cpus = 1): number {
  if (Number.isInteger(cpus) && cpus >= 1 && cpus <= mostCpus) return cpus;
  throw new ShaleError('invalid', `a zone cannot have ${cpus} processors`, { hint: `from 1 to ${mostCpus}` });
}

/** `PATH[:OPTIONS]`, as of docker's --tmpfs. */
export function parseTmpfs(text: string): { readonly path: string; readonly options: string } {
  const at = text.indexOf(':');
  const path = at < 0 ? text : text.slice(0, at);
  const options = at < 0 ? '' : text.slice(at + 1);
  if (!path.startsWith('/') || path.split('/').includes('..') || /^\/+$/.test(path)) {
    throw new ShaleError('invalid', `${JSON.stringify(path)} is no place for a tmpfs`, {
      hint: 'as in /tmp or /run:size=16m,mode=755',
    });
  }
  return { path, options };
}

/** `[ADDRESS:]HOSTPORT:PORT[/tcp|/udp]`; 127.0.0.1 if no address is given, for a zone is nobody else's business. */
export function parsePublish(text: string): PublishedPort {
  const found = /^(?:(\d{1,3}(?:\.\d{1,3}){3}):)?(\d{1,5}):(\d{1,5})(?:\/(tcp|udp))?$/.exec(text);
  const [, host = '127.0.0.1', hostPort = '', guestPort = '', protocol = 'tcp'] = found ?? [];
  const ports = [Number(hostPort), Number(guestPort)];
  const isAddress = host.split('.').every(part => Number(part) <= 255);
  if (found === null || !isAddress || ports.some(port => port < 1 || port > 65_535)) {
    throw new ShaleError('invalid', `${JSON.stringify(text)} publishes no port`, {
      hint: 'as in 8080:80, 0.0.0.0:8080:80 or 5353:53/udp',
    });
  }
  return { host, hostPort: ports[0]!, guestPort: ports[1]!, protocol: protocol as 'tcp' | 'udp' };
}

/** A word for the kernel's command line: printable, for it is cut at spaces and must not be quoted. */
export function checkKernelArgument(text: string): string {
  if (/^[\x21-\x7e]+$/.test(text) && !text.startsWith('shale.')) return text;
  throw new ShaleError('invalid', `${JSON.stringify(text)} is no word for a kernel's command line`, {
    hint: 'give each word by itself, without spaces: --kernel-args loglevel=7',
  });
}

/** A signal that the image names may be anything; one that is none stops with SIGTERM, as in other engines. */
export function stopSignalNumber(text: string): number {
  try {
    return parseSignal(text);
  } catch {
    return 15;
  }
}

/** What network a zone has: none unless something asks for one. ShaleError `invalid` for published ports without one. */
export function chooseNetwork({
  network,
  publish = [],
}: Pick<RunRequest, 'network' | 'publish'>): 'none' | 'user' {
  if (network === 'none' && publish.length > 0) {
    throw new ShaleError('invalid', 'a zone without a network cannot publish ports', {
      hint: 'leave --network out, or say --network user',
    });
  }
  return network ?? (publish.length > 0 ? 'user' : 'none');
}
