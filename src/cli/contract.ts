/** Until the engine has them. */
export interface CopiedBlob {
  readonly digest: string;
  readonly size: number;
  readonly how: 'pushed' | 'mounted' | 'exists' | 'copied';
}
export interface PushResult {
  readonly reference: string;
  readonly digest: string;
  readonly blobs: readonly CopiedBlob[];
}
export interface CopyResult {
  readonly digest: string;
  readonly blobs: readonly CopiedBlob[];
  readonly bytes: number;
}
export interface Engine {
  push(image: string, target: string | undefined, options: object): Promise<PushResult>;
  copy(source: string, target: string, options: object): Promise<CopyResult>;
}
export async function engine<Name extends keyof Engine>(file: string, name: Name): Promise<Engine[Name]> {
  const module = (await import(new URL(`../engine/${file}.ts`, import.meta.url).href)) as Engine;
  return module[name].bind(module) as Engine[Name];
}
