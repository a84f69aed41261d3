import { join } from 'node:path';
import type { GrpcObject, ServiceClientConstructor, ServiceDefinition } from '@grpc/grpc-js';
import { loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** Beside src/ and dist/ alike. */
const directory = join(import.meta.dirname, '..', '..', '..', 'proto');

/** Full names of the services in proto/, and the file of each. */
const files = {
  'containerd.services.snapshots.v1.Snapshots': 'containerd/services/snapshots/v1/snapshots.proto',
  'containerd.services.diff.v1.Diff': 'containerd/services/diff/v1/diff.proto',
  'containerd.services.content.v1.Content': 'containerd/services/content/v1/content.proto',
  'containerd.services.leases.v1.Leases': 'containerd/services/leases/v1/leases.proto',
  'grpc.health.v1.Health': 'grpc/health/v1/health.proto',
} as const;
export type ServiceName = keyof typeof files;

/**
 * Whoever makes calls of a service. Requests and answers are plain objects, fields in camelCase, all of them there; 64-bit
 * integers are numbers, enums their names, bytes Buffers.
 */
export function loadClient(name: ServiceName): ServiceClientConstructor {
  const definition = loadSync(files[name], {
    includeDirs: [directory],
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  let found: unknown = loadPackageDefinition(definition);
  for (const word of name.split('.')) found = (found as GrpcObject)[word];
  return found as ServiceClientConstructor;
}

/** How a server describes a service. */
export function loadService(name: ServiceName): ServiceDefinition {
  return loadClient(name).service;
}
