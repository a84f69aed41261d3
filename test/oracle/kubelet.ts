/** Asks a containerd as Kubernetes does, by the Container Runtime Interface. */
import path from 'node:path';
import {
  type Client,
  credentials,
  type GrpcObject,
  loadPackageDefinition,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { callUnary } from '../daemon/fixture.ts';

export class Kubelet implements Disposable {
  readonly #images: Client;
  readonly #runtime: Client;
  #pods = 0;

  constructor(socket: string) {
    const definition = loadSync(path.join(import.meta.dirname, 'cri.proto'), {
      longs: Number,
      defaults: true,
    });
    const services = (loadPackageDefinition(definition).runtime as GrpcObject).v1 as GrpcObject;
    const open = (name: string) =>
      new (services[name] as ServiceClientConstructor)(`unix:${socket}`, credentials.createInsecure());
    this.#images = open('ImageService');
    this.#runtime = open('RuntimeService');
  }

  images<Response>(method: string, request: object): Promise<Response> {
    return callUnary<Response>(this.#images, method, request);
  }

  /** Runs a pod of one container in the machine's own network, and in it a command: what that printed. The pod is gone afterwards. */
  async runPod(image: string, cmd: readonly string[]): Promise<string> {
    const call = <Response>(method: string, request: object) =>
      callUnary<Response>(this.#runtime, method, request);
    const name = `pod-${process.pid}-${++this.#pods}`;
    const config = {
      metadata: { name, uid: name, namespace: 'tests' },
      linux: { securityContext: { namespaceOptions: { network: 2 } } },
    };
    const sandbox = await call<{ podSandboxId: string }>('RunPodSandbox', { config });
    try {
      const container = await call<{ containerId: string }>('CreateContainer', {
        ...sandbox,
        config: { metadata: { name: 'one' }, image: { image }, command: ['/bin/sleep', '1000'] },
        sandboxConfig: config,
      });
      await call('StartContainer', container);
      const ended = await call<{ stdout: Buffer; stderr: Buffer; exitCode: number }>('ExecSync', {
        ...{ ...container, cmd, timeout: 20 },
      });
      if (ended.exitCode !== 0) throw new Error(`exit status ${ended.exitCode}: ${ended.stderr}`);
      return ended.stdout.toString();
    } finally {
      await call('StopPodSandbox', sandbox);
      await call('RemovePodSandbox', sandbox);
    }
  }

  [Symbol.dispose](): void {
    this.#images.close();
    this.#runtime.close();
  }
}
