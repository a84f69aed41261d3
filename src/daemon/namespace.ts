/**
 * The containerd namespace that a snapshot is of: containerd's names are `NAMESPACE/NUMBER/KEY`. Not every containerd tells a proxy plugin the
 * namespace of a call (1.6 and 1.7 do not). `undefined` for a name that is not containerd's.
 */
export function namespaceOf(key: string): string | undefined {
  return /^([A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*)\/[0-9]+\//.exec(key)?.[1];
}
