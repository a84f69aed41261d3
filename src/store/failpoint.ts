/**
 * The instants after which a crash finds the disk in a state of its own. Tests end the process there, and look at what
 * the next one makes of it; nobody else gives the callback.
 */
export type Failpoint =
  | 'layout-made'
  | 'database-made'
  | 'ingest-written'
  | 'ingest-synced'
  | 'ingest-renamed'
  | 'document-renamed'
  | 'images-changed'
  | 'index-written'
  | 'artifact-synced'
  | 'artifact-renamed'
  | 'verity-renamed'
  | 'lease-locked'
  | 'gc-moved'
  | 'gc-committed';

export type Reach = (point: Failpoint) => void;
