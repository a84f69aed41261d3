import { createServer, type Socket } from 'node:net';
import type { Script } from './script.ts';

/** What happens to the machine because of its guest. */
export interface GuestEvents {
  print(text: string): void;
  reset(): void;
  powerOff(): void;
}

const port = 1024;
const firstHostPort = 1073741824;

/**
 * A guest behind the hybrid vsock that Firecracker describes (docs/vsock.md): `CONNECT PORT` is answered with `OK` and
 * a number of the host's side, or by hanging up if nobody listens. It obeys `print TEXT`, `flood KIB`, `reset`, `panic`
 * and `poweroff`, and says every other line again.
 */
export class Guest {
  readonly #script: Script;
  readonly #events: GuestEvents;
  readonly #open = new Set<Socket>();
  #listening = false;
  #connections = 0;

  constructor(script: Script, events: GuestEvents) {
    this.#script = script;
    this.#events = events;
  }

  /** Makes the socket; EADDRINUSE if there is one, as from the real ones. */
  bind(path: string): void {
    createServer(socket => this.#accept(socket)).listen(path);
  }

  run(): void {
    setTimeout(() => {
      this.#listening = true;
    }, this.#script.listenAfter ?? 0);
  }

  /** Closes what is connected, as a snapshot does. */
  disconnect(): void {
    for (const socket of this.#open) socket.destroy();
  }

  #accept(socket: Socket): void {
    this.#open.add(socket);
    socket.on('error', () => {}).on('close', () => this.#open.delete(socket));
    this.#connections += 1;
    if (this.#connections <= (this.#script.deafTo ?? 0)) return;
    let text = '';
    let greeted = false;
    socket.on('data', chunk => {
      text += chunk.toString('latin1');
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        const line = text.slice(0, end);
        text = text.slice(end + 1);
        if (greeted) this.#obey(socket, line);
        else if (!this.#listening || line.toUpperCase() !== `CONNECT ${port}`) socket.destroy();
        else {
          greeted = true;
          socket.write(`${this.#script.greeting ?? `OK ${firstHostPort + this.#connections}`}\n`);
        }
      }
    });
  }

  #obey(socket: Socket, line: string): void {
    const [word = '', rest = ''] = line.split(/ (.*)/s);
    if (word === 'print') this.#events.print(`${rest}\n`);
    else if (word === 'flood') {
      for (let index = 0; index < Number(rest); index += 1) this.#events.print(`${'x'.repeat(1023)}\n`);
      socket.write('flooded\n');
    } else if (word === 'reset') this.#events.reset();
    else if (word === 'panic') {
      this.#events.print('Kernel panic - not syncing: asked to\n');
      this.#events.reset();
    } else if (word === 'poweroff') this.#events.powerOff();
    else socket.write(`${line}\n`);
  }
}
