/**
 * HTTP as registries need it, on undici. `exchange` is one request and one response; `follow` adds redirects, which
 * leave secrets behind when they change the origin; `retry` adds patience. Bodies are streams of the socket's own
 * chunks (`ResponseBody`), with back-pressure and a time-out for those that stall. Nothing here knows what a registry
 * is; a status is an error only to the callers.
 *
 * No secret gets into an error: URLs are shown without their query, and what undici says is kept as a cause only where
 * it holds nothing that was sent.
 */
export { ResponseBody } from './body.ts';
export { Connections } from './connections.ts';
export { readDocument } from './document.ts';
export { exchange } from './exchange.ts';
export { type NetworkReason, networkError } from './failure.ts';
export {
  type Content,
  defaultTimeouts,
  findHeader,
  type HttpRequest,
  type HttpResponse,
  type Method,
  type Timeouts,
  type Trust,
} from './message.ts';
export { findProxy } from './proxy.ts';
export { asStranger, follow, readTarget } from './redirect.ts';
export {
  backOff,
  isRetryable,
  isRetryableStatus,
  parseRetryAfter,
  type RetryEvent,
  type RetryOptions,
  retry,
} from './retry.ts';
export { showText, showUrl } from './shown.ts';
