import { findDataRoot } from '../../host/index.ts';
import { type Connection, connectZone } from '../../zone/connect.ts';
import { ZoneError } from '../../zone/error.ts';
import { mergeEnvironment } from '../../zone/process.ts';
import { writeExec } from '../../zone/process-message.ts';
import { toGuest } from '../../zone/protocol/index.ts';
import { startSession } from '../../zone/session.ts';
import { parseSignal } from '../../zone/signal.ts';
import { Zones } from '../../zone/state/index.ts';
import { hangUp } from './hang-up.ts';
import { reportEnd } from './process-end.ts';
import type { AttachRequest, ExecRequest, ZoneEnd } from './request.ts';

/** Runs one more process in a running zone, and resolves when it has ended. */
export async function execZone(zone: string, request: ExecRequest): Promise<ZoneEnd> {
  const { command, env = [], workdir, user, streams } = request;
  if (command.length === 0) throw new ZoneError('invalid', 'there is no command to run');
  const payload = writeExec({
    arguments: command,
    environment: mergeEnvironment([], env),
    directory: workdir ?? '/',
    user: user ?? '',
    terminal: streams.terminal?.size(),
    stdin: streams.stdin !== undefined,
  });
  return await talk(zone, request, toGuest.exec, payload);
}

/** Takes the workload's streams over, and resolves when it has ended or is let go. */
export async function attachZone(zone: string, request: AttachRequest): Promise<ZoneEnd> {
  return await talk(zone, request, toGuest.attach, new Uint8Array());
}

async function talk(
  text: string,
  { root = findDataRoot(), streams, onStart, signal }: AttachRequest,
  type: number,
  payload: Uint8Array,
): Promise<ZoneEnd> {
  const zones = new Zones(root);
  const zone = zones.find(text);
  const { id, name } = zone.record;
  using connection: Connection = await connectZone(zone, signal);
  const { conversation, machine } = connection;
  const letGo = Promise.withResolvers<undefined>();
  // A guest that says nothing has to be given up as well.
  const abort = () => {
    letGo.resolve(undefined);
    conversation[Symbol.dispose]();
  };
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted) abort();
  const given = () => {
    if (type === toGuest.attach) return { status: undefined };
    throw new ZoneError('cancelled', 'cancelled', { cause: signal?.reason });
  };
  try {
    conversation.send(type, payload).catch(() => {});
    const session = await startSession(conversation, streams);
    onStart?.({
      ...{ id, name },
      signal: text => session.signal(parseSignal(text)),
      detach: () => type === toGuest.attach && letGo.resolve(undefined),
    });
    session.ended.catch(() => {});
    const end = await Promise.race([session.ended, letGo.promise]);
    return end === undefined ? given() : reportEnd(end);
  } catch (error) {
    if (signal?.aborted) return given();
    return await hangUp(error, machine, zones, id);
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}
