import type { ChannelKind } from '../engine/runner/channel';
import type { ChannelPortMessage } from '../main/contract';

/** Take the ends of channels of this kind that the main process hands out when it is asked for them (`vm.connect`). */
export function onPort(kind: ChannelKind, take: (vm: string, port: MessagePort) => void): void {
  window.addEventListener('message', (event: MessageEvent<Partial<ChannelPortMessage> | null>) => {
    if (event.source !== window || event.data?.type !== 'hartbox.port' || event.data.kind !== kind || event.data.vm === undefined) return;
    take(event.data.vm, event.ports[0]);
  });
}
