import type { ByteChannel } from '../../vmm/index.ts';
import { Conversation, findField, fromGuest, readFields, readNumber, toGuest } from '../protocol/index.ts';

/** The conversation that a zone's launcher begins, before and after init has answered. */
export interface Greeting {
  readonly conversation: Conversation;
  /** Resolves when the image is mounted, to the milliseconds of init alone; 0 out of a saved state. */
  readonly booted: Promise<number>;
}

/** Asks init to mount the image with a BOOT message, or how it is where it comes out of a saved state. */
export function greet(channel: ByteChannel, boot: Uint8Array | undefined): Greeting {
  const conversation = new Conversation(channel);
  const ask = async () => {
    // Both are in the channel before the guest looks into it.
    conversation.send(boot === undefined ? toGuest.status : toGuest.boot, boot).catch(() => {});
    const answer = await conversation.expect(boot === undefined ? fromGuest.status : fromGuest.booted);
    return boot === undefined ? 0 : readInitTime(answer);
  };
  return { conversation, booted: ask() };
}

/** Of BOOTED: times 1 (init began) to 4 (image mounted), in nanoseconds. */
function readInitTime(payload: Uint8Array): number {
  const fields = readFields(payload);
  const [began, mounted] = [findField(fields, 1), findField(fields, 4)];
  return began === undefined || mounted === undefined ? 0 : (readNumber(mounted) - readNumber(began)) / 1e6;
}
