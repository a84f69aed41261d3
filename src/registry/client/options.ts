import type { Bytes } from '../../content/index.ts';
import type { Credential } from '../credential/index.ts';
import type { RetryEvent, Timeouts } from '../transport/index.ts';

export interface RegistryOptions {
  /** Where credentials are looked for instead of the usual places. */
  readonly authFile?: string | undefined;
  /** Used instead of what is stored, for every registry that this client talks to, but for no mirror. */
  readonly credential?: Credential | undefined;
  readonly insecureRegistries?: readonly string[] | undefined;
  /** A directory like /etc/docker/certs.d. */
  readonly certDir?: string | undefined;
  readonly registriesConf?: string | undefined;
  readonly certsDirs?: readonly string[] | undefined;
  readonly timeouts?: Partial<Timeouts> | undefined;
  /** How often what failed for the moment is repeated; 4 if not given. */
  readonly retries?: number | undefined;
  /** Called before each repetition. */
  readonly onRetry?: ((event: RetryEvent) => void) | undefined;
}

export interface RepositoryName {
  readonly registry: string;
  readonly repository: string;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface BlobResponse {
  /** Where in the blob the body starts: 0, although another start was asked for, means that the server ignores ranges. */
  readonly start: number;
  /** Whether the server is known to give ranges. */
  readonly ranged: boolean;
  /**
   * Not verified. A connection that breaks or stalls is a RegistryError `unavailable`; who stops reading early closes it. A
   * range that is cut short is an error, too.
   */
  readonly body: Bytes;
  /** For a body that nobody will read. */
  discard(): void;
  /** For a body whose digest is wrong: if it came from a mirror, others are asked for a while. True if so. */
  distrust(): boolean;
}
