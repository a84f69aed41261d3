import { JsonView } from '../../oci/index.ts';
import { RegistryError } from '../error.ts';
import { itself } from './failover.ts';
import type { CallOptions, RepositoryName } from './options.ts';
import { readPages } from './page.ts';
import type { Session } from './session.ts';

const pageSize = 1000;

/** The tags of a repository, in the registry's order: the registry itself is asked, for a mirror knows only some. */
export async function* tags(
  session: Session,
  name: RepositoryName,
  { signal }: CallOptions = {},
): AsyncIterable<string> {
  const remote = await itself(session, name, 'pull');
  const call = {
    method: 'GET',
    target: `tags/list?n=${pageSize}`,
    what: `list the tags of ${name.repository}`,
    actions: ['pull'],
    headers: { accept: 'application/json' },
    signal,
  } as const;
  for await (const { bytes } of readPages(remote, call)) {
    yield* new JsonView(parseList(bytes, call.what), 'tags').strings('tags');
  }
}

/** Lists may be longer than the documents that `parseJson` takes. */
function parseList(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new RegistryError('invalid', `cannot ${what}: the answer is not JSON`, { cause });
  }
}
