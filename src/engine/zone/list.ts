import { findDataRoot } from '../../host/index.ts';
import { hasMachine, type ZoneState as State, type StoredZone, Zones, zoneStatus } from '../../zone/index.ts';
import type { ZoneReport, ZoneState, ZoneSummary } from './report.ts';
import type { ZoneOptions } from './request.ts';

/** All zones, the oldest first; those that have ended as well, unless they were to be removed then. */
export async function listZones({ root = findDataRoot() }: ZoneOptions = {}): Promise<ZoneSummary[]> {
  const zones = new Zones(root);
  zones.sweep();
  return zones.all().map(summarise);
}

/** All that is known of a zone. */
export async function inspectZone(
  text: string,
  { root = findDataRoot() }: ZoneOptions = {},
): Promise<ZoneReport> {
  const zone = new Zones(root).find(text);
  const { directory, record } = zone;
  const { journal, reason } = zoneStatus(directory, record);
  const { hostname, image, user, stopSignal, network, terminal, interactive } = record;
  const { kernel, warm, verity, scratch, volumes, uid } = record;
  return {
    ...summarise(zone),
    ...{ reason, started: journal?.started?.toISOString(), manifest: image.manifest, config: image.config },
    ...{
      hostname,
      user,
      stopSignal,
      network,
      terminal,
      interactive,
      kernel,
      warm,
      verity,
      scratch,
      volumes,
      uid,
    },
    ...{ removedAtEnd: record.remove, acceleration: record.machine?.acceleration, directory },
  };
}

const states: Readonly<Record<State, ZoneState>> = {
  starting: 'running',
  running: 'running',
  exited: 'exited',
  failed: 'failed',
  lost: 'lost',
};

export function summarise({ directory, record }: StoredZone): ZoneSummary {
  const { id, name, image, command, created, memory, cpus, machine, end } = record;
  const { state, journal } = zoneStatus(directory, record);
  const status = end?.killed === true ? 137 : exitStatus(journal);
  const ended = end?.ended ?? journal?.ended?.toISOString();
  return {
    ...{ id, name, image: image.reference, command, created, memory, cpus, vmm: machine?.vmm ?? '' },
    state: end?.killed === true && (state === 'lost' || state === 'failed') ? 'exited' : states[state],
    ...(status !== undefined && { status }),
    ...(ended !== undefined && { ended }),
    ...(machine !== undefined && hasMachine(record) && { pid: machine.process.pid }),
  };
}

/** As a shell reports it. What the guest wrote is cut to what a status can be. */
function exitStatus(journal: ReturnType<typeof zoneStatus>['journal']): number | undefined {
  if (journal?.state !== 'ended') return undefined;
  const { status = 0, signal = 0, flags } = journal;
  if ((flags & 2) !== 0) return 124;
  return signal > 0 ? 128 + (signal % 128) : status % 256;
}
