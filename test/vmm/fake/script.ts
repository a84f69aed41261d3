/** What a fake hypervisor is told to do beyond what its API says. */
export interface Script {
  /** The version that it claims. */
  readonly version?: string;
  /** Milliseconds until somebody in the guest listens on its vsock; before, connections are refused. */
  readonly listenAfter?: number;
  /** How many connections the vsock takes and leaves without an answer, as before the guest has a driver. */
  readonly deafTo?: number;
  /** Says something else than `OK` on its vsock. */
  readonly greeting?: string;
  /** Requests, `PUT /path`, which are refused with a status and a body, … */
  readonly refuse?: Readonly<Record<string, readonly [status: number, body: string]>>;
  /** … never answered, … */
  readonly hang?: readonly string[];
  /** … or at which it dies, with these words. */
  readonly dieAt?: Readonly<Record<string, string>>;
  /** Ends before it listens, with these words. */
  readonly stillborn?: string;
  /** Never listens. */
  readonly mute?: boolean;
}
