import { BlockList, isIP } from 'node:net';
import { RegistryError } from '../error.ts';

/** `host[:port]` taken apart; an IPv6 address without its brackets. */
export function splitAuthority(authority: string): { host: string; port: string | undefined } {
  const found = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(authority);
  return { host: found?.[1] ?? found?.[2] ?? authority, port: found?.[3] };
}

/** Only what can be a directory's name and part of a URL. */
export function requireAuthority(authority: string): void {
  if (/^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(authority))
    return;
  throw new RegistryError(
    'invalid',
    `${JSON.stringify(authority.slice(0, 200))} is not the name of a registry`,
    {
      hint: 'registries are named host or host:port, without scheme and path',
    },
  );
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** What never leaves this machine: `localhost`, 127.0.0.0/8 and ::1, which Docker takes for insecure, too. */
export function isLoopback(authority: string): boolean {
  const { host } = splitAuthority(authority);
  const family = isIP(host);
  return family === 0
    ? host.toLowerCase() === 'localhost'
    : loopback.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/** Where the API of a registry is: Docker's has another name than its images. */
export function apiAuthority(authority: string): string {
  return authority === 'docker.io' || authority === 'index.docker.io' ? 'registry-1.docker.io' : authority;
}
