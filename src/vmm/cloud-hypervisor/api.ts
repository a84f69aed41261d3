import { ApiClient } from '../api/index.ts';
import type { MachineProcess } from '../machine-process.ts';
import { apiSocket } from './configuration.ts';

export const root = '/api/v1';

/** The API of the machine in that directory. */
export function openApi(directory: string, { ended }: MachineProcess): ApiClient {
  return new ApiClient({ name: 'Cloud Hypervisor', directory, socket: apiSocket, fault: parseFault, ended });
}

/** Which version answers. */
export async function findApiVersion(api: ApiClient, signal?: AbortSignal): Promise<string> {
  const answer = (await api.call('GET', `${root}/vmm.ping`, undefined, { signal })) as { version?: unknown };
  return String(answer?.version);
}

/** Errors come as a list, the outermost first; those of earlier versions as plain text. */
function parseFault(body: string): string {
  try {
    const chain = JSON.parse(body) as unknown;
    if (Array.isArray(chain)) return chain.map(String).join(': ');
  } catch {
    // plain text
  }
  return body;
}
