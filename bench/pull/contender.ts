import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Daemon, startDaemon } from './daemon.ts';
import { run } from './packages.ts';

/** One way from a registry to a root filesystem. */
export interface Contender {
  readonly name: string;
  /** The programs that it takes. */
  readonly needs: readonly string[];
  /** Its command lines as a reader would type them. */
  readonly manual: readonly string[];
  /** Takes part in so many rounds at the most. */
  readonly rounds?: number;
  /** Puts the code of its client into the page cache. */
  readonly warm: string;
  /** With nothing of any image, in the empty `directory`. */
  start(directory: string): Promise<Session>;
}

export interface Session extends AsyncDisposable {
  /** The server whose CPU time counts besides the command's. */
  readonly daemon?: Daemon;
  /** For bash, in the session's directory: from the registry to what can be mounted. */
  command(reference: string): string;
  /** Mounts what `command` has made at `target`, for reading. */
  mount(reference: string, target: string): void;
}

const node = process.execPath;
const shale = path.join(import.meta.dirname, '..', '..', 'bin', 'shale.js');
const nothing = async () => {};
const imageName = (reference: string) => /([^/:]+):[^/]*$/.exec(reference)![1]!;
const mountSquashfs = (file: string, target: string) =>
  run('mount', ['-t', 'squashfs', '-o', 'loop,ro', file, target]);

const shalePull: Contender = {
  name: 'shale pull',
  needs: [],
  manual: ['shale pull --root ROOT REF'],
  warm: `${node} ${shale} --version; cat ${node}`,
  async start(directory) {
    const root = path.join(directory, 'root');
    return {
      command: reference =>
        `${node} ${shale} pull --quiet --root ${root} --insecure-registry ${hostOf(reference)} ${reference}`,
      mount(_reference, target) {
        const artifacts = path.join(root, 'artifacts');
        const files = readdirSync(artifacts, { recursive: true, encoding: 'utf8' })
          .map(file => ({ file: path.join(artifacts, file), status: statSync(path.join(artifacts, file)) }))
          .filter(({ status }) => status.isFile())
          .sort((a, b) => b.status.mtimeMs - a.status.mtimeMs);
        mountSquashfs(files[0]!.file, target);
      },
      [Symbol.asyncDispose]: nothing,
    };
  },
};

const dockerPull: Contender = {
  name: 'docker pull',
  needs: ['docker', 'dockerd'],
  manual: [
    'dockerd --storage-driver overlay2 --data-root ROOT --bridge none --iptables=false',
    'docker pull REF',
  ],
  warm: 'docker --version; cat "$(command -v docker dockerd unpigz)"',
  async start(directory) {
    const socket = `unix://${directory}/docker.sock`;
    const root = path.join(directory, 'data');
    const docker = ['--config', path.join(directory, 'client'), '-H', socket];
    const daemon = await startDaemon(
      'dockerd',
      [
        ...['-H', socket, '--data-root', root, '--exec-root', path.join(directory, 'exec')],
        ...['--pidfile', path.join(directory, 'docker.pid'), '--storage-driver', 'overlay2'],
        ...['--bridge', 'none', '--iptables=false', '--config-file', writeEmptyJson(directory)],
      ],
      path.join(directory, 'dockerd.log'),
      () => answers('docker', [...docker, 'info']),
    );
    return {
      daemon,
      command: reference => `docker ${docker.join(' ')} pull -q ${reference}`,
      mount(reference, target) {
        const format = '{{.GraphDriver.Data.UpperDir}}';
        const upper = run('docker', [...docker, 'image', 'inspect', '--format', format, reference]).trim();
        const top = path.dirname(upper);
        const read = (file: string) =>
          existsSync(path.join(top, file)) ? readFileSync(path.join(top, file), 'utf8') : '';
        // The driver's own short names, for the long ones of many layers are more than mount(2) takes.
        const lower = [`l/${read('link')}`, read('lower')].filter(each => each !== '').join(':');
        run('mount', ['-t', 'overlay', '-o', `ro,lowerdir=${lower}`, 'overlay', target], {
          cwd: path.join(root, 'overlay2'),
        });
      },
      [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
    };
  },
};

const containerdPull: Contender = {
  name: 'ctr images pull',
  needs: ['containerd', 'ctr'],
  manual: ['containerd --root ROOT', 'ctr images pull --plain-http --snapshotter overlayfs REF'],
  warm: 'ctr --version; cat "$(command -v ctr containerd unpigz)"',
  async start(directory) {
    const socket = path.join(directory, 'containerd.sock');
    const configuration = path.join(directory, 'containerd.toml');
    writeFileSync(configuration, 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n');
    const root = ['--root', path.join(directory, 'data'), '--state', path.join(directory, 'state')];
    const daemon = await startDaemon(
      'containerd',
      ['--config', configuration, '--address', socket, ...root],
      path.join(directory, 'containerd.log'),
      () => answers('ctr', ['-a', socket, 'version']),
    );
    return {
      daemon,
      command: reference => `ctr -a ${socket} images pull --plain-http --snapshotter overlayfs ${reference}`,
      mount: (reference, target) => {
        run('ctr', ['-a', socket, 'images', 'mount', '--snapshotter', 'overlayfs', reference, target]);
      },
      [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
    };
  },
};

const chain: Contender = {
  name: 'skopeo + umoci + mksquashfs',
  needs: ['skopeo', 'umoci', 'mksquashfs'],
  // By far the slowest: more would tell nothing.
  rounds: 1,
  manual: [
    'skopeo copy --src-tls-verify=false docker://REF oci:LAYOUT:NAME',
    'umoci unpack --image LAYOUT:NAME BUNDLE',
    'mksquashfs BUNDLE/rootfs IMAGE.sqfs -comp zstd -Xcompression-level 3',
  ],
  warm: 'skopeo --version; umoci --version; mksquashfs -version; cat "$(command -v skopeo umoci mksquashfs)"',
  async start(directory) {
    return {
      command(reference) {
        const name = imageName(reference);
        return [
          `skopeo copy -q --src-tls-verify=false docker://${reference} oci:layout:${name}`,
          `umoci unpack --image layout:${name} bundle-${name}`,
          `mksquashfs bundle-${name}/rootfs ${name}.sqfs -comp zstd -Xcompression-level 3 -no-progress -quiet`,
        ].join(' && ');
      },
      mount: (reference, target) =>
        mountSquashfs(path.join(directory, `${imageName(reference)}.sqfs`), target),
      [Symbol.asyncDispose]: nothing,
    };
  },
};

export const contenders: readonly Contender[] = [shalePull, dockerPull, containerdPull, chain];

function hostOf(reference: string): string {
  return reference.slice(0, reference.indexOf('/'));
}

function answers(program: string, args: readonly string[]): boolean {
  try {
    run(program, args, { timeout: 5000 });
    return true;
  } catch {
    return false;
  }
}

/** The machine's own /etc/docker/daemon.json must not count. */
function writeEmptyJson(directory: string): string {
  mkdirSync(directory, { recursive: true });
  const file = path.join(directory, 'daemon.json');
  writeFileSync(file, '{}');
  return file;
}
