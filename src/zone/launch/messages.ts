import { randomBytes } from 'node:crypto';
import type { ProcessSpec } from '../process.ts';
import { writeProcess } from '../process-message.ts';
import { bootField, type Conversation, FieldWriter, runField, toGuest } from '../protocol/index.ts';
import type { DiskPlan, MountedVolume, ZoneImage } from './disks.ts';

/** Enough for the kernel's pool to count as seeded, twice over. */
const entropyBytes = 64;

/** How a zone is furnished before its workload starts. */
export interface ZoneFurniture {
  readonly hostname: string;
  /** 32 hexadecimal digits. */
  readonly machineId: string;
  /** Bytes of the tmpfs that takes what is written, where no disk does. */
  readonly upperSize: number;
  readonly readOnly: boolean;
  readonly network: 'none' | 'user';
  /** `PATH` and mount options. */
  readonly tmpfs: readonly { readonly path: string; readonly options: string }[];
  readonly volumes: readonly MountedVolume[];
  /** Milliseconds that the workload may take. */
  readonly timeLimit?: number | undefined;
}

/** What QEMU's user network and its like call themselves and us. */
const userNetwork = {
  address: '10.0.2.15/24',
  own: '10.0.2.15',
  gateway: '10.0.2.2',
  nameserver: '10.0.2.3',
};

/** Files that every RUN has content for, whatever the zone. */
const files = { hosts: '/etc/hosts', hostname: '/etc/hostname', machineId: '/etc/machine-id' };

/** BOOT: which disk the image is on, and the files that RUN will bring. */
export function writeBoot(image: ZoneImage, plan: DiskPlan): Uint8Array {
  const writer = new FieldWriter().word(bootField.device, plan.image).word(bootField.type, image.type);
  if (image.verity !== undefined && plan.tree !== undefined) {
    const { table, sectors } = image.verity.table(`/dev/${plan.image}`, `/dev/${plan.tree}`);
    writer.word(bootField.verity, table).number(bootField.veritySectors, sectors);
  }
  writer.word(bootField.file, files.hosts).word(bootField.file, files.hostname);
  writer.word(bootField.optionalFile, files.machineId);
  return writer.finish();
}

/**
 * RUN: everything that is this zone's alone. Randomness and time are those of the moment in which it is written, so it is written
 * when it is sent: a machine that comes out of a saved state has neither.
 */
export function writeRun(furniture: ZoneFurniture, plan: DiskPlan, workload: ProcessSpec): Uint8Array {
  const { hostname, network } = furniture;
  const writer = new FieldWriter()
    .bytes(runField.entropy, randomBytes(entropyBytes))
    .number(runField.clock, clock())
    .word(runField.hostname, hostname)
    .word(runField.machineId, furniture.machineId)
    .word(runField.journal, plan.journal);
  if (plan.upper === undefined) writer.number(runField.upperTmpfs, furniture.upperSize);
  else writer.word(runField.upperDevice, plan.upper);
  if (furniture.readOnly) writer.flag(runField.readOnly);
  if (network === 'user') {
    writer.word(runField.address, userNetwork.address).word(runField.gateway, userNetwork.gateway);
    writer.texts(runField.file, '/etc/resolv.conf', `nameserver ${userNetwork.nameserver}\n`);
  }
  writer.texts(
    runField.file,
    files.hosts,
    hosts(hostname, network === 'user' ? userNetwork.own : '127.0.1.1'),
  );
  writer.texts(runField.file, files.hostname, `${hostname}\n`);
  furniture.volumes.forEach(({ type, path, readOnly }, index) => {
    writer.texts(runField.volume, plan.volumes[index]!, type, path, readOnly ? 'ro' : 'rw');
  });
  for (const { path, options } of furniture.tmpfs) writer.texts(runField.tmpfs, path, options);
  if (furniture.timeLimit !== undefined) writer.number(runField.timeLimit, Math.ceil(furniture.timeLimit));
  return writeProcess(writer, workload).finish();
}

/** Asks for the workload; the answer is the conversation's next message. */
export function sendRun(
  conversation: Conversation,
  furniture: ZoneFurniture,
  plan: DiskPlan,
  workload: ProcessSpec,
): void {
  // Who does not take it does not answer either.
  conversation.send(toGuest.run, writeRun(furniture, plan, workload)).catch(() => {});
}

/** Nanoseconds since 1970, as exactly as this process knows. */
function clock(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
}

function hosts(hostname: string, address: string): string {
  return `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${address}\t${hostname}\n`;
}
