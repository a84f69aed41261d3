/**
 * The control protocol between the host and a zone's init: doc/format/zone-protocol.md. What the guest sends is data
 * from outside: any bytes give messages or a ZoneError.
 */
export {
  Conversation,
  type Failure,
  failure,
  hungUp,
  readFailure,
  unexpected,
  type Welcome,
} from './conversation.ts';
export { type Field, FieldWriter, fieldText, findField, readFields, readNumber } from './fields.ts';
export { type Frame, FrameReader, writeFrame, writeMessage } from './frame.ts';
export { bootField, entryField, exitFlag, fromGuest, processField, runField, toGuest } from './layout.ts';
