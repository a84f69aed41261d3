/**
 * Proving who we are: challenges of `WWW-Authenticate`, Basic, and bearer tokens from a token server. Credentials are
 * looked up only once a server asks, and go to that server and to the token server that it names, to nobody else.
 */
export { type Authorization, Authorizer, type Guard } from './authorizer.ts';
export { TokenCache } from './cache.ts';
export { type Challenge, parseChallenges } from './challenge.ts';
export { basicAuthorization } from './fetch.ts';
export { type Action, joinScopes, repositoryScope } from './scope.ts';
