import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** Another process that exchanges two names all the time, until this is disposed. */
export async function startRace(one: string, other: string): Promise<AsyncDisposable> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'racer.ts'), one, other], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return {
    async [Symbol.asyncDispose]() {
      const end = once(child, 'exit');
      child.kill('SIGKILL');
      await end;
    },
  };
}
