import { randomBytes } from 'node:crypto';
import { ShaleError } from '../../error/index.ts';
import { openStoreReader, type StoreReader } from '../../store/reader.ts';
import { lockChannel } from '../../zone/channel.ts';
import type { StoredZone, ZoneImage } from '../../zone/index.ts';
import { type LaunchedZone, launchZone } from '../../zone/launch/launch.ts';
import { Timeline } from '../../zone/launch/timeline.ts';
import { processOf, stopSignalOf } from '../../zone/process.ts';
import { checkHostname, Zones } from '../../zone/state/index.ts';
import type { ZoneArtifact } from './artifact.ts';
import { type ChosenVmm, VmmChooser } from './choose.ts';
import { prepareImage } from './image.ts';
import { type BootFiles, findBootFiles, type Needs } from './machine.ts';
import type { RunRequest, RunResult, ZoneEnd } from './request.ts';
import { type OpenVolumes, openVolumes } from './volumes.ts';
import {
  checkCpus,
  checkKernelArgument,
  checkMemory,
  chooseNetwork,
  defaultBootTimeout,
  parsePublish,
  parseTmpfs,
} from './wishes.ts';

/**
 * Runs an image in a zone of its own, and resolves when its workload has ended (or runs, if `detach`). The image is pulled and rendered if the cache does not have
 * it. Aborting `signal` gives the launch up, and later kills the zone; nothing is left of it then but, unless `remove`, what `zone ls` shows.
 *
 *     const { status } = await runZone('busybox', { command: ['echo', 'hello'], streams: { stdout, stderr } });
 */
export async function runZone(reference: string, request: RunRequest): Promise<RunResult> {
  const timeline = new Timeline();
  timeline.mark('start of Shale');
  using store = await openStoreReader({ root: request.root });
  const { memory: _memory, format = 'squashfs', ...options } = request;
  const image = await prepareImage(reference, store, { ...options, format });
  timeline.mark('image');
  const chosen = await chooseMachine(store.root, request);
  timeline.mark('kernel and hypervisor');
  const zones = new Zones(store.root);
  zones.sweep();
  const zone = await createZone(zones, reference, image, chosen, request);
  using channel = lockChannel(zone.directory, 0);
  if (channel === undefined) throw new ShaleError('internal', `the zone ${zone.record.id} is not ours`);
  // Nothing of it is needed before there is a machine.
  const attendance = async () => new (await import('./attendance.ts')).Attendance(zones, zone, request);
  const { id, name } = zone.record;
  const told = (end: ZoneEnd): RunResult => ({
    ...{ id, name, times: timeline.times, ...end },
    ...(image.warnings && { warnings: image.warnings }),
  });
  try {
    const { volumes: texts = [], signal } = request;
    using volumes = await openVolumes(zones, zone, { root: store.root, texts, signal });
    const parts = { store, zones, zone, image, chosen, volumes, timeline, request };
    const launched = await launch({ ...parts, meanwhile: attendance });
    return told(await (await attendance()).attend(launched, timeline));
  } catch (error) {
    const end = (await attendance()).abandon(error);
    if (end === undefined) throw error;
    return told(end);
  }
}

type Chosen = ChosenVmm & BootFiles & { readonly needs: Needs };

async function chooseMachine(root: string, request: RunRequest): Promise<Chosen> {
  const {
    machine,
    verity = false,
    format = 'squashfs',
    kernel,
    vmm = 'auto',
    acceleration,
    signal,
  } = request;
  const needs: Needs = { network: chooseNetwork(request), machine, verity, format };
  const files = new Map<string, Promise<BootFiles>>();
  const filesFor: (driver: ChosenVmm['driver']) => Promise<BootFiles> = driver => {
    const found = files.get(driver.name) ?? findBootFiles(root, driver, { kernel, needs });
    files.set(driver.name, found);
    return found;
  };
  const chooser = new VmmChooser(root, request.onNotice);
  const trial = async (driver: ChosenVmm['driver']) => {
    const { kernel, initramfs } = await filesFor(driver);
    return { kernel, initramfs: initramfs.path };
  };
  const chosen = await chooser.choose(vmm, acceleration, trial, signal);
  return { ...chosen, ...(await filesFor(chosen.driver)), needs };
}

async function createZone(
  zones: Zones,
  reference: string,
  image: ZoneArtifact,
  chosen: Chosen,
  request: RunRequest,
): Promise<StoredZone> {
  const { hostname, name, signal } = request;
  const { arguments: command, user } = workloadOf(image, request);
  return await zones.create(
    {
      ...{ name, hostname: hostname === undefined ? undefined : checkHostname(hostname), command, user },
      image: { reference, manifest: image.manifest, config: image.configDigest },
      stopSignal: stopSignalOf(image.config),
      memory: checkMemory(request.memory),
      cpus: checkCpus(request.cpus),
      network: chosen.needs.network,
      terminal: request.streams.terminal !== undefined,
      interactive: request.streams.stdin !== undefined,
      kernel: chosen.kernel.name,
      warm: request.warm ?? false,
      verity: request.verity ?? false,
      scratch: request.scratch !== undefined,
      tmpfs: (request.tmpfs ?? []).map(text => parseTmpfs(text).path),
      remove: request.remove ?? false,
    },
    signal,
  );
}

function workloadOf({ config }: ZoneArtifact, request: RunRequest) {
  const { command, entrypoint, env: environment, workdir: directory, user, streams, first, detach } = request;
  return {
    ...processOf(config, { command, entrypoint, environment, directory, user }),
    terminal: streams.terminal?.size(),
    stdin: streams.stdin !== undefined && detach !== true,
    first,
  };
}

interface Launch {
  readonly store: StoreReader;
  readonly zones: Zones;
  readonly zone: StoredZone;
  readonly image: ZoneArtifact;
  readonly chosen: Chosen;
  readonly volumes: OpenVolumes;
  readonly timeline: Timeline;
  readonly request: RunRequest;
  readonly meanwhile: () => Promise<unknown>;
}

async function launch(options: Launch): Promise<LaunchedZone> {
  const { store, zones, zone, image, chosen, volumes, timeline, request } = options;
  const { kernel, initramfs, driver, probe, acceleration } = chosen;
  const { record } = zone;
  const { onConsole } = request;
  return await launchZone({
    ...{ zones, zone, driver, version: probe.version, acceleration, machine: request.machine, timeline },
    kernel: { files: { vmlinux: kernel.vmlinux, bzImage: kernel.bzImage }, digest: kernel.digest },
    initramfs,
    kernelArguments: (request.kernelArguments ?? []).map(checkKernelArgument),
    image: await diskOf(store.root, image, request),
    furniture: {
      hostname: record.hostname,
      machineId: randomBytes(16).toString('hex'),
      upperSize: request.upperSize ?? Math.floor(record.memory / 2),
      readOnly: request.readOnly ?? false,
      network: record.network,
      tmpfs: (request.tmpfs ?? []).map(parseTmpfs),
      volumes: volumes.mounted,
      timeLimit: request.timeout,
    },
    publish: (request.publish ?? []).map(parsePublish),
    workload: workloadOf(image, request),
    scratch: request.scratch,
    warmPlace: request.warm === true ? name => store.warmDirectory(image.artifact.key, name) : undefined,
    bootTimeout: request.bootTimeout ?? defaultBootTimeout,
    onConsole: onConsole && (bytes => onConsole(Buffer.from(bytes).toString('utf8'))),
    meanwhile: options.meanwhile,
    onNotice: request.onNotice,
    signal: request.signal,
  });
}

async function diskOf(root: string, { artifact }: ZoneArtifact, request: RunRequest): Promise<ZoneImage> {
  const disk = { path: artifact.path, type: request.format ?? 'squashfs' };
  if (request.verity !== true) return disk;
  const { ensureVerity } = await import('../verity.ts');
  const { verityTable } = await import('../../verity/index.ts');
  const { openStore } = await import('../../store/index.ts');
  using store = await openStore({ root });
  const tree = await ensureVerity(store, artifact, request.signal);
  const table = (data: string, hash: string) => verityTable(tree, data, hash);
  return { ...disk, verity: { tree: tree.path, table } };
}
