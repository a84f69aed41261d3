import { type ErrorCode, exitStatus } from '../error/index.ts';
import { usageStatus } from './error.ts';

const meanings: Readonly<Record<ErrorCode, string>> = {
  internal: 'a bug in Shale',
  invalid: 'an image, an artifact or a request is malformed, or there was a warning under --strict',
  'not-found': 'a file, an image, a platform or a path is not there',
  exists: 'something stands where the output should go',
  unauthenticated: 'a registry wants credentials',
  denied: 'the operating system or a registry refuses',
  corrupt: 'a digest, a size or a checksum is wrong, or an artifact differs from its image',
  unsupported: 'a format, a media type or a feature that Shale does not have',
  exhausted: 'a limit was passed (the message names its flag), or the disk is full',
  unavailable: 'a device or a server failed; it may work later',
  conflict: 'something is in use or in another state than it takes; a file was changed while it was read',
  cancelled: 'Ctrl-C; 129 and 143 are SIGHUP and SIGTERM',
};

/** All exit statuses, in their order. */
export function exitStatuses(): { readonly status: number; readonly code: string; readonly what: string }[] {
  const codes = Object.entries(exitStatus) as [ErrorCode, number][];
  return [
    { status: 0, code: '', what: 'it worked' },
    { status: usageStatus, code: 'usage', what: 'the command line cannot be understood' },
    { status: 141, code: '', what: 'the reader of standard output went away' },
    ...codes.map(([code, status]) => ({ status, code, what: meanings[code] })),
  ].sort((one, other) => one.status - other.status);
}

/** Variables that Shale reads. */
export const environment: Readonly<Record<string, string>> = {
  SOURCE_DATE_EPOCH:
    "time in the squashfs superblock, unless --mtime is given; otherwise the image's creation time",
  TMPDIR:
    'where a tar for standard output is prepared, and where labs are; everything else is prepared beside its output',
  NO_COLOR: 'no colours in progress and labs',
  TERM: 'dumb: lines instead of bars',
  'LC_ALL, LC_CTYPE, LANG': 'whether bars may be drawn in UTF-8',
  SHALE_ROOT: 'where the cache is, unless --root is given',
  XDG_DATA_HOME: 'its directory shale/ is the cache of a user who is not root; ~/.local/share if not set',
  REGISTRY_AUTH_FILE: 'credentials of registries, unless --authfile is given',
  DOCKER_CONFIG: "the directory of docker's config.json; ~/.docker if not set",
  XDG_RUNTIME_DIR:
    'its containers/auth.json holds credentials, too; its shale/ the socket of shale serve of who is not root',
  XDG_CONFIG_HOME: 'its containers/ holds auth.json and registries.conf; ~/.config if not set',
  CONTAINERS_REGISTRIES_CONF: 'mirrors, instead of registries.conf in the usual places',
  'HTTPS_PROXY, HTTP_PROXY, NO_PROXY': 'proxies for registries, and what goes past them; in lower case, too',
  PATH: 'where hypervisors and the other programs that zones need are looked for',
  SHELL: 'what shale unshare runs if nothing is named, and the shell that a lab opens',
  HOME: 'what ~ is in this list and elsewhere',
  'LISTEN_PID, LISTEN_FDS': 'a socket that a service manager has opened for shale serve',
  NOTIFY_SOCKET: 'where a service manager is told that shale serve is ready, or stops',
  'WATCHDOG_USEC, WATCHDOG_PID': 'how often it wants to hear that shale serve still works',
  SHALE_DEBUG: 'errors come with their stack and causes',
  XDG_CACHE_HOME: "where Node's compile cache is kept; ~/.cache if not set",
};

/** Files that Shale leaves behind on purpose. */
export const files: Readonly<Record<string, string>> = {
  '/var/lib/shale/, $XDG_DATA_HOME/shale/': 'the cache, of root and of other users',
  'namespace.json in it':
    'which process keeps the namespace of a user who is not root; shale unshare --end removes it',
  '~/.config/containers/auth.json':
    'credentials of shale login, unless a file that podman or docker reads is there already, or --authfile names one',
  '$XDG_CACHE_HOME/shale/compile/': 'compiled code, so that commands start fast; may be removed at any time',
};
