export type Action = 'pull' | 'push' | 'delete';

/** What a token is to allow (distribution's token scope: `repository:NAME:ACTION,ACTION`). */
export function repositoryScope(repository: string, ...actions: readonly Action[]): string {
  return `repository:${repository}:${actions.join(',')}`;
}

/**
 * All that any of the scopes allow, in one canonical form: one scope a resource, everything sorted. What is not of the
 * form TYPE:NAME:ACTIONS is kept as it stands.
 */
export function joinScopes(...scopes: readonly string[]): string[] {
  const resources = new Map<string, Set<string>>();
  for (const scope of scopes.flatMap(text => text.split(' '))) {
    const end = scope.lastIndexOf(':');
    if (scope === '') continue;
    const [resource, actions] =
      end <= scope.indexOf(':') ? [scope, ''] : [scope.slice(0, end), scope.slice(end + 1)];
    const known = resources.get(resource) ?? new Set();
    for (const action of actions.split(',')) known.add(action);
    resources.set(resource, known);
  }
  return [...resources]
    .map(([resource, actions]) => [resource, [...actions].filter(Boolean).sort().join(',')])
    .map(([resource, actions]) => (actions === '' ? resource! : `${resource}:${actions}`))
    .sort();
}
