/**
 * Where a name leads. The files of other tools say it: registries.conf of Podman's (mirrors, other locations, what is
 * blocked), hosts.toml of containerd's, directories of certificates in the manner of Docker. `findEndpoints` turns a
 * name into a list of servers to try, each with all that is needed to talk to it. Nothing becomes insecure but by name.
 */
export { type Capability, Endpoint, type EndpointFacts, type EndpointTls } from './endpoint.ts';
export { type EndpointOptions, findEndpoints } from './find-endpoints.ts';
