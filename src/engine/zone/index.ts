import { ShaleError } from '../../error/index.ts';
import type {
  CommitResult,
  DoctorReport,
  KernelSummary,
  VolumeSummary,
  ZoneReport,
  ZoneSummary,
} from './report.ts';
import type {
  AttachRequest,
  CommitRequest,
  ExecRequest,
  InstallKernelRequest,
  KillRequest,
  LogsRequest,
  RemoveRequest,
  RunRequest,
  RunResult,
  StopRequest,
  ZoneEnd,
  ZoneOptions,
} from './request.ts';

export type * from './report.ts';
export type * from './request.ts';

function missing(): never {
  throw new ShaleError('unsupported', 'zones are not there yet');
}

export async function runZone(_reference: string, _request: RunRequest): Promise<RunResult> {
  return missing();
}
export async function execZone(_zone: string, _request: ExecRequest): Promise<ZoneEnd> {
  return missing();
}
export async function attachZone(_zone: string, _request: AttachRequest): Promise<ZoneEnd> {
  return missing();
}
export async function listZones(_options: ZoneOptions = {}): Promise<ZoneSummary[]> {
  return missing();
}
export async function inspectZone(_zone: string, _options: ZoneOptions = {}): Promise<ZoneReport> {
  return missing();
}
export async function zoneLogs(_zone: string, _request: LogsRequest): Promise<void> {
  return missing();
}
export async function stopZones(_zones: readonly string[], _request: StopRequest): Promise<ZoneSummary[]> {
  return missing();
}
export async function killZones(_zones: readonly string[], _request: KillRequest): Promise<ZoneSummary[]> {
  return missing();
}
/** `'all'`: every zone that has ended, or with `force` every zone. */
export async function removeZones(
  _zones: readonly string[] | 'all',
  _request: RemoveRequest,
): Promise<ZoneSummary[]> {
  return missing();
}
export async function commitZone(
  _zone: string,
  _name: string,
  _request: CommitRequest,
): Promise<CommitResult> {
  return missing();
}
export async function installKernel(_request: InstallKernelRequest): Promise<KernelSummary> {
  return missing();
}
export async function listKernels(_options: ZoneOptions = {}): Promise<KernelSummary[]> {
  return missing();
}
export async function removeKernels(
  _names: readonly string[],
  _options: ZoneOptions = {},
): Promise<KernelSummary[]> {
  return missing();
}
export async function useKernel(_name: string, _options: ZoneOptions = {}): Promise<KernelSummary> {
  return missing();
}
export async function listVolumes(_options: ZoneOptions = {}): Promise<VolumeSummary[]> {
  return missing();
}
export async function removeVolumes(
  _names: readonly string[],
  _options: ZoneOptions = {},
): Promise<VolumeSummary[]> {
  return missing();
}
export async function doctor(_options: ZoneOptions = {}): Promise<DoctorReport> {
  return missing();
}
