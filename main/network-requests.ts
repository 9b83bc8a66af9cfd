import type { BrowserWindow, Dialog } from 'electron';
import { z } from 'zod';
import { VmError } from '../engine/errors/vm-error';
import { OPERATIONS } from '../engine/runner/control';
import { vmIdSchema } from '../engine/runner/library';
import type { Locale } from './contract';
import type { Machines } from './machines';
import { messages } from './messages';
import { MOST_FLOWS, type NetworkRequests, webScheme } from './network-contract';

const port = z.number().int().min(1).max(65535);

/** What each of these requests may carry. */
export const networkArguments: { [N in keyof NetworkRequests]: z.ZodType<Parameters<NetworkRequests[N]>> } = {
  'network.look': z.tuple([vmIdSchema]),
  'network.forward': z.tuple([vmIdSchema, OPERATIONS['network-forward'].args]),
  'network.unforward': z.tuple([vmIdSchema, OPERATIONS['network-unforward'].args]),
  'network.browse': z.tuple([vmIdSchema, z.string().max(64), port]),
  'network.link': z.tuple([vmIdSchema, z.string().max(64), z.boolean()]),
  'network.capture': z.tuple([vmIdSchema]),
  'network.end-capture': z.tuple([vmIdSchema]),
};

export interface NetworkRequestsOptions {
  machines: Pick<Machines, 'call' | 'nameOf'>;
  dialog: Pick<Dialog, 'showSaveDialog'>;
  window: () => BrowserWindow | undefined;
  locale: () => Locale;
  /** Open an address in the browser once the user has confirmed it; `detail` is what they read with it. */
  openLink: (url: string, detail: (url: string) => string) => Promise<void>;
}

type Handlers = {
  [N in keyof NetworkRequests]: (...args: Parameters<NetworkRequests[N]>) => Promise<ReturnType<NetworkRequests[N]>>;
};

/** Answers the window's requests about networks, all by the control table of the box. */
export function networkRequests({ machines, dialog, window, locale, openLink }: NetworkRequestsOptions): Handlers {
  return {
    'network.look': async (vm) => {
      const [networks, { forwards }, { flows }] = await Promise.all([
        machines.call(vm, 'networks', {}),
        machines.call(vm, 'network-forwards', {}),
        machines.call(vm, 'network-flows', {}),
      ]);
      return { ...networks, forwards, flows: flows.slice(0, MOST_FLOWS), flowCount: flows.length };
    },
    'network.forward': (vm, forward) => machines.call(vm, 'network-forward', forward),
    'network.unforward': async (vm, forward) => void (await machines.call(vm, 'network-unforward', forward)),
    'network.browse': async (vm, hostAddress, hostPort) => {
      const { forwards } = await machines.call(vm, 'network-forwards', {});
      const found = forwards.find((one) => one.protocol === 'tcp' && one.hostAddress === hostAddress && one.hostPort === hostPort);
      if (!found)
        throw VmError.config(`The tcp port ${hostAddress}:${hostPort} is not forwarded.`, {
          code: 'forward-unknown',
          params: { port: `${hostAddress}:${hostPort}` },
        });
      await openLink(`${webScheme(found) ?? 'http'}://${browserHost(hostAddress)}:${hostPort}/`, messages[locale()].openForwardDetail);
    },
    'network.link': async (vm, adapter, up) => void (await machines.call(vm, 'network-link', { id: adapter, up })),
    'network.capture': async (vm) => {
      const { files } = messages[locale()];
      const options: Electron.SaveDialogOptions = {
        defaultPath: `${machines.nameOf(vm).replace(/[\\/:*?"<>|]/g, '-')}.pcapng`,
        filters: [{ name: files.capture, extensions: ['pcapng'] }],
      };
      const parent = window();
      const { filePath } = await (parent ? dialog.showSaveDialog(parent, options) : dialog.showSaveDialog(options));
      if (!filePath) return false;
      await machines.call(vm, 'capture-start', { file: filePath });
      return true;
    },
    'network.end-capture': (vm) => machines.call(vm, 'capture-end', {}),
  };
}

/** Where a browser of this computer finds what listens at that address. */
function browserHost(hostAddress: string): string {
  if (hostAddress === '0.0.0.0' || hostAddress === '::') return '127.0.0.1';
  return hostAddress.includes(':') ? `[${hostAddress}]` : hostAddress;
}
