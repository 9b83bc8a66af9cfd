import type { ChannelKind } from '../engine/runner/channel';
import type { ChannelPortMessage } from '../main/contract';
import { request } from './bridge';

/** Take the ends of channels of this kind that the main process hands out when it is asked for them (`vm.connect`). */
export function onPort(kind: ChannelKind, take: (vm: string, port: MessagePort) => void): void {
  window.addEventListener('message', (event: MessageEvent<Partial<ChannelPortMessage> | null>) => {
    if (event.source !== window || event.data?.type !== 'hartbox.port' || event.data.kind !== kind || event.data.vm === undefined) return;
    take(event.data.vm, event.ports[0]);
  });
}

/** The window's end of a channel to a box, or the place for one. */
export class BoxPort<Message> {
  #port: MessagePort | undefined;
  #isExpected = false;

  constructor(
    private readonly receive: (message: Message) => void,
    /** There is a port: from now on what is posted goes somewhere. */
    private readonly opened: () => void = () => undefined,
  ) {}

  /** There is a port, or one has been asked for. */
  get isConnected(): boolean {
    return this.#port !== undefined || this.#isExpected;
  }

  /** Ask for a port, unless that is done. */
  ask(vm: string, kind: ChannelKind): void {
    if (this.isConnected) return;
    this.#isExpected = true;
    // If the VM has ended meanwhile there is nothing to connect to, and its state says so.
    request('vm.connect', vm, kind).catch(() => this.disconnect());
  }

  connect(port: MessagePort): void {
    // It comes too late: the machine has ended meanwhile.
    if (!this.#isExpected) {
      port.close();
      return;
    }
    this.disconnect();
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<Message>) => this.receive(data);
    this.opened();
  }

  disconnect(): void {
    this.#isExpected = false;
    this.#port?.close();
    this.#port = undefined;
  }

  post(message: Message): void {
    this.#port?.postMessage(message);
  }
}
