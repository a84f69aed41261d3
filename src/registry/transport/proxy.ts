import { BlockList, isIP } from 'node:net';
import { findVariable } from '../../host/index.ts';
import { RegistryError } from '../error.ts';

/**
 * The proxy for requests to `url`, as HTTPS_PROXY, HTTP_PROXY and NO_PROXY say, or their lower case names, which win as
 * with curl. This machine itself is never asked for through a proxy. A proxy that is no URL: RegistryError `invalid`.
 */
export function findProxy(
  url: URL,
  find: (name: string) => string | undefined = findVariable,
): URL | undefined {
  const either = (name: string) => find(name.toLowerCase()) ?? find(name);
  const text = either(url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY');
  if (text === undefined || isExempt(url, either('NO_PROXY') ?? '')) return undefined;
  const proxy = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (proxy === null || !['http:', 'https:', 'socks5:'].includes(proxy.protocol)) {
    // It may hold a password, so it is not shown.
    throw new RegistryError('invalid', `the proxy for ${url.protocol.slice(0, -1)} is not a URL`, {
      hint: 'HTTP_PROXY and HTTPS_PROXY look like http://proxy.example:3128',
    });
  }
  return proxy;
}

function isExempt(url: URL, list: string): boolean {
  const host = bare(url.hostname);
  if (host === 'localhost' || host.endsWith('.localhost') || loopback.check(host, family(host))) return true;
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return list.split(/[\s,]+/).some(entry => entry !== '' && matches(entry.toLowerCase(), host, port));
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** `*`, a name with what is below it, `.name` or `*.name` for only what is below, an address or a network; with a port or not. */
function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  const network = /^(.+)\/(\d{1,3})$/.exec(entry);
  if (network !== null) return isWithin(host, bare(network[1]!), Number(network[2]));
  const withPort = /^(\[.+\]|[^:]+):(\d+)$/.exec(entry);
  if (withPort !== null && withPort[2] !== port) return false;
  const name = bare(withPort?.[1] ?? entry);
  if (isIP(name) !== 0) return isIP(host) !== 0 && isWithin(host, name, isIP(name) === 4 ? 32 : 128);
  const below = name.replace(/^\*?\./, '');
  return host.endsWith(`.${below}`) || (below === name && host === name);
}

function isWithin(host: string, network: string, bits: number): boolean {
  if (isIP(network) === 0 || isIP(host) !== isIP(network) || bits > (isIP(host) === 4 ? 32 : 128))
    return false;
  const list = new BlockList();
  list.addSubnet(network, bits, family(network));
  return list.check(host, family(host));
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}

function bare(host: string): string {
  return host
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/(.)\.$/, '$1')
    .toLowerCase();
}
