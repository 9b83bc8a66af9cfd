import { contextBridge, ipcRenderer, webUtils } from 'electron';
import { type Answer, type Bridge, CHANNEL_PREFIX, type ChannelPortMessage, PORT_CHANNEL, isNoticeName, isRequestName } from './contract';

const bridge: Bridge = {
  async request(name, ...args) {
    if (!isRequestName(name)) throw new Error(`There is no request "${String(name)}".`);
    return (await ipcRenderer.invoke(CHANNEL_PREFIX + name, ...args)) as Answer<never>;
  },
  on(name, listener) {
    if (!isNoticeName(name)) throw new Error(`There is no notice "${String(name)}".`);
    const receive = (_event: Electron.IpcRendererEvent, notice: Parameters<typeof listener>[0]): void => listener(notice);
    ipcRenderer.on(CHANNEL_PREFIX + name, receive);
    return () => ipcRenderer.off(CHANNEL_PREFIX + name, receive);
  },
  pathOf: (file) => webUtils.getPathForFile(file),
};

contextBridge.exposeInMainWorld('hartbox', bridge);

// Ports cannot cross the context bridge; the page receives them as a message from its own origin.
ipcRenderer.on(PORT_CHANNEL, (event, port: Omit<ChannelPortMessage, 'type'>) => {
  const message: ChannelPortMessage = { type: 'hartbox.port', vm: port.vm, kind: port.kind };
  window.postMessage(message, window.location.origin, event.ports);
});
