import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { expect } from '@playwright/test';
import { HartboxApp, TestHome } from './support/hartbox-app';
import { test } from './support/test';

/**
 * What a script could do that came into the window against our will: the tests are that script. docs/security.md says what each test stands
 * for. Whatever runs here runs in the page, so that the content security policy counts for it but for its first, synchronous part.
 */

const PAGE = 'app://hartbox/index.html';
const HOME = `${PAGE}#/`;
/** As long as something that is not to happen gets to happen, in milliseconds. */
const A_MOMENT = 400;
let home: TestHome;
let app: HartboxApp;

test.describe.configure({ mode: 'default' });
test.beforeAll(async () => {
  home = await TestHome.create({ guest: false });
  // With a camera and a microphone, so that there is something to refuse.
  const switches = ['--use-fake-device-for-media-stream'];
  app = await HartboxApp.launch(home, { HARTBOX_DEBIAN_MIRROR: 'http://127.0.0.1:9/debian' }, { assistive: false, switches });
  await expect(app.library.heading).toBeVisible();
});
test.afterAll(async () => {
  await app.end();
  await home.remove();
});

/** All pages and frames that the app has. */
const everyFrame = (): Promise<string[]> =>
  app.electron.evaluate(({ webContents }) =>
    webContents.getAllWebContents().flatMap((contents) => contents.mainFrame.framesInSubtree.map(({ url }) => url)),
  );

/** Do something to the page, and find it where it was. */
async function staysAfter(deed: () => Promise<unknown>): Promise<void> {
  await app.page.evaluate(() => Object.assign(window, { mark: 1 }));
  await deed();
  await app.page.waitForTimeout(A_MOMENT);
  expect(await app.page.evaluate(() => 'mark' in window)).toBe(true);
  const frames = await everyFrame();
  expect(frames.map((url) => url.split('#')[0])).toEqual([PAGE]);
}

/** Somebody on this computer to talk to: an address, and what was said there. */
async function listener(): Promise<{ port: number; heard: string[]; close: () => void }> {
  const heard: string[] = [];
  const tcp = createServer((socket) => {
    heard.push('TCP');
    socket.on('error', () => undefined);
    socket.destroy();
  });
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const { port } = tcp.address() as AddressInfo;
  const udp = createSocket('udp4', () => heard.push('UDP'));
  udp.bind(port, '127.0.0.1');
  await once(udp, 'listening');
  const close = (): void => {
    tcp.close();
    udp.close();
  };
  return { port, heard, close };
}

const ELSEWHERE = [
  'http://127.0.0.1:9/',
  'https://example.org/',
  'file:///etc/passwd',
  'data:text/html,x',
  'app://hartbox/index.html?again',
  'app://elsewhere/index.html',
  'chrome://gpu',
  'devtools://devtools/bundled/inspector.html',
  'view-source:app://hartbox/index.html',
  'javascript:document.write(1)',
  'mailto:a@example.org',
  'ms-settings:privacy',
];

test('a page leaves for nowhere: by script, link, form, refresh or a blob of its own', async () => {
  await staysAfter(() =>
    app.page.evaluate(async (urls) => {
      const soon = (deed: () => void): Promise<void> =>
        new Promise((resolve) => {
          setTimeout(deed);
          setTimeout(resolve, 60);
        });
      for (const url of [...urls, URL.createObjectURL(new Blob(['x'], { type: 'text/html' }))]) {
        await soon(() => location.assign(url));
        await soon(() => Object.assign(document.createElement('a'), { href: url }).click());
      }
      const form = Object.assign(document.createElement('form'), { method: 'post', action: 'http://127.0.0.1:9/' });
      document.body.append(form);
      await soon(() => form.submit());
      const refresh = Object.assign(document.createElement('meta'), { httpEquiv: 'refresh', content: '0;url=https://example.org/' });
      await soon(() => document.head.append(refresh));
    }, ELSEWHERE),
  );
});

test('frames show nothing but what the page itself could, and have no bridge', async () => {
  const frames = await app.page.evaluate(async (urls) => {
    const blob = URL.createObjectURL(new Blob(['x'], { type: 'text/html' }));
    const made = [...urls, 'about:blank', blob].map((src) => ({ src, frame: Object.assign(document.createElement('iframe'), { src }) }));
    const srcdoc = '<p>words</p><script>parent.broken = 1</script>';
    made.push({ src: 'srcdoc', frame: Object.assign(document.createElement('iframe'), { srcdoc }) });
    document.body.append(...made.map(({ frame }) => frame));
    await new Promise((resolve) => setTimeout(resolve, 500));
    // And from within.
    made[0].frame.contentWindow?.location.replace('https://example.org/');
    await new Promise((resolve) => setTimeout(resolve, 300));
    const seen = made.map(({ src, frame }) => {
      try {
        const { contentWindow, contentDocument } = frame;
        return { src, bridge: typeof contentWindow?.hartbox, text: contentDocument?.body.innerText ?? '' };
      } catch {
        // A page of Chromium's that says that there is none.
        return { src, bridge: 'none', text: '' };
      }
    });
    for (const { frame } of made) frame.remove();
    return { seen, broken: 'broken' in window };
  }, ELSEWHERE);
  expect(frames.broken).toBe(false);
  for (const { src, bridge, text } of frames.seen) {
    expect(bridge, src).toMatch(/^(undefined|none)$/);
    expect(text, src).toBe(src === 'srcdoc' ? 'words' : '');
  }
  await expect.poll(everyFrame).toEqual([HOME]);
});

test('no frame of any page goes anywhere, whatever policy that page has', async () => {
  const frames = await app.electron.evaluate(async ({ BrowserWindow }) => {
    const other = new BrowserWindow({ show: false });
    const page = '<iframe src="data:text/html,inner"></iframe><iframe srcdoc="<a href=data:text/html,x>x</a>"></iframe>';
    await other.loadURL(`data:text/html,${page}<script>frames[1].document.links[0].click()</script>`);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const [, ...urls] = other.webContents.mainFrame.framesInSubtree.map(({ url }) => url);
    other.destroy();
    return urls;
  });
  expect(frames).toEqual(['', 'about:srcdoc']);
});

test('a page opens no windows, views or tools', async () => {
  await staysAfter(() =>
    app.page.evaluate(async (urls) => {
      for (const url of [...urls, 'about:blank', '']) {
        if (window.open(url) ?? window.open(url, '_blank', 'nodeIntegration=yes,contextIsolation=no')) throw new Error(`${url} was opened`);
        const link = Object.assign(document.createElement('a'), { href: url, target: '_blank' });
        for (const key of [{}, { ctrlKey: true }, { shiftKey: true }, { button: 1 }])
          link.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, ...key }));
      }
      const view = document.createElement('webview');
      view.setAttribute('src', 'data:text/html,x');
      view.setAttribute('nodeintegration', '');
      document.body.append(view);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }, ELSEWHERE),
  );
  await staysAfter(async () => {
    for (const keys of ['Control+Shift+I', 'F12', 'Control+R', 'F5', 'Control+W', 'Control+O', 'Control+P', 'Control+U'])
      await app.page.keyboard.press(keys);
  });
});

test('back and forward stay in the app, and what is dropped is no address', async () => {
  await staysAfter(async () => {
    const devtools = await app.page.context().newCDPSession(app.page);
    for (const button of ['back', 'forward'] as const) {
      for (const type of ['mousePressed', 'mouseReleased'] as const)
        await devtools.send('Input.dispatchMouseEvent', { type, button, x: 300, y: 300, clickCount: 1 });
    }
    for (const keys of ['Alt+ArrowLeft', 'Alt+ArrowRight', 'Backspace']) await app.page.keyboard.press(keys);
    const file = join(home.path, 'dropped.html');
    await writeFile(file, '<title>dropped</title>');
    for (const data of [
      { items: [{ mimeType: 'text/uri-list', data: 'https://example.org/' }], dragOperationsMask: 1 },
      { items: [{ mimeType: 'text/html', data: '<img src=x onerror="delete window.mark">' }], dragOperationsMask: 1 },
      { items: [], files: [file], dragOperationsMask: 1 },
    ]) {
      for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
        await devtools.send('Input.dispatchDragEvent', { type, x: 300, y: 300, data });
    }
    await devtools.detach();
    await app.page.goBack({ timeout: A_MOMENT }).catch(() => null);
  });
});

test('a page gets no permission and no device', async () => {
  const answers = await app.page.evaluate(async () => {
    interface Wished {
      hid: { requestDevice(options: object): Promise<unknown[]> };
      usb: { requestDevice(options: object): Promise<unknown> };
      serial: { requestPort(): Promise<unknown> };
    }
    const wished = navigator as unknown as Wished;
    const scope = window as unknown as {
      IdleDetector: { requestPermission(): Promise<string> };
      queryLocalFonts(): Promise<unknown[]>;
      getScreenDetails(): Promise<unknown>;
    };
    const asked: Record<string, () => Promise<unknown>> = {
      camera: () => navigator.mediaDevices.getUserMedia({ video: true }),
      microphone: () => navigator.mediaDevices.getUserMedia({ audio: true }),
      screen: () => navigator.mediaDevices.getDisplayMedia({ video: true }),
      place: () => new Promise((resolve, reject) => navigator.geolocation.getCurrentPosition(resolve, reject)),
      notifications: () => Notification.requestPermission(),
      'read the clipboard': () => navigator.clipboard.readText(),
      'write to the clipboard': () => navigator.clipboard.writeText('x'),
      midi: () => navigator.requestMIDIAccess(),
      'midi messages': () => navigator.requestMIDIAccess({ sysex: true }),
      hid: () => wished.hid.requestDevice({ filters: [] }),
      usb: () => wished.usb.requestDevice({ filters: [] }),
      serial: () => wished.serial.requestPort(),
      'stay awake': () => navigator.wakeLock.request('screen'),
      'keep storage': () => navigator.storage.persist(),
      idle: () => scope.IdleDetector.requestPermission(),
      fonts: () => scope.queryLocalFonts(),
      screens: () => scope.getScreenDetails(),
      fullscreen: () => document.documentElement.requestFullscreen(),
      pointer: async () => document.documentElement.requestPointerLock(),
    };
    const said: Record<string, unknown> = {};
    for (const [name, ask] of Object.entries(asked)) {
      const patience = new Promise((resolve) => setTimeout(resolve, 1000, 'no answer'));
      said[name] = await Promise.race([ask().catch(() => 'refused'), patience]);
    }
    for (const name of ['geolocation', 'camera', 'microphone', 'notifications', 'midi', 'clipboard-read', 'display-capture'])
      said[`query ${name}`] = (await navigator.permissions.query({ name: name as PermissionName })).state;
    said.labels = (await navigator.mediaDevices.enumerateDevices()).map(({ label }) => label).join('');
    said.isFullscreen = document.fullscreenElement !== null || document.pointerLockElement !== null;
    return said;
  });
  const { isFullscreen, labels, ...rest } = answers;
  expect({ isFullscreen, labels }).toEqual({ isFullscreen: false, labels: '' });
  for (const [name, answer] of Object.entries(rest)) {
    const nothing = ['refused', 'denied', 'no answer', false].includes(answer as string) || (Array.isArray(answer) && answer.length === 0);
    expect(nothing, `${name}: ${JSON.stringify(answer)}`).toBe(true);
  }
  const chosen = await app.electron.evaluate(({ webContents }) => {
    const said: unknown[] = [];
    const event = { preventDefault: () => said.push('prevented') };
    webContents.getAllWebContents()[0].emit('select-bluetooth-device', event, [{ deviceId: 'a' }], (id: string) => said.push(id));
    return said;
  });
  expect(chosen).toEqual(['prevented', '']);
});

test('a page runs no code but the app’s', async () => {
  const ran = await app.page.evaluate(async () => {
    const tries: Record<string, () => unknown> = {
      eval: () => Reflect.apply(Reflect.get(window, 'eval') as () => void, window, ['1']),
      Function: () => Reflect.construct(Reflect.get(window, 'Function') as new () => object, ['return 1']),
      wasm: () => WebAssembly.compile(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)),
      'blob worker': () =>
        new Promise((resolve, reject) => {
          const worker = new Worker(URL.createObjectURL(new Blob(['postMessage(1)'])));
          worker.onmessage = resolve;
          worker.onerror = reject;
        }),
      'service worker': () => navigator.serviceWorker.register('app://hartbox/index.js'),
      import: () => import(/* @vite-ignore */ `data:text/javascript,${'export default 1'}`),
    };
    const done: string[] = [];
    // Out of what the tools run, for which policies do not count.
    await new Promise((resolve) => setTimeout(resolve));
    for (const [name, attempt] of Object.entries(tries)) {
      try {
        await attempt();
        done.push(name);
      } catch {
        // As it should be.
      }
    }
    const scope = window as typeof window & { got?: string[] };
    scope.got = [];
    setTimeout('window.got.push("timer")' as unknown as () => void);
    const say = (what: string): string => `window.got.push('${what}')`;
    const box = document.createElement('div');
    box.innerHTML = `<img src=x onerror="${say('handler')}"><a href="javascript:${say('link')}">x</a>
      <svg onload="${say('svg')}"></svg><iframe srcdoc="<script>parent.got.push('frame')</script>"></iframe>`;
    document.body.append(box);
    box.querySelector('a')?.click();
    for (const change of [{ textContent: say('inline') }, { src: `data:text/javascript,${say('data')}` }])
      document.body.append(Object.assign(document.createElement('script'), change));
    await new Promise((resolve) => setTimeout(resolve, 500));
    box.remove();
    return [...done, ...scope.got];
  });
  expect(ran).toEqual([]);
});

test('a page has no network', async () => {
  const other = await listener();
  try {
    await app.page.evaluate(async (host) => {
      const url = `http://${host}/`;
      const swallow = (promise: Promise<unknown>): void => void promise.catch(() => undefined);
      swallow(fetch(url, { mode: 'no-cors' }));
      navigator.sendBeacon(url, 'x');
      new WebSocket(`ws://${host}/`);
      new EventSource(url);
      const request = new XMLHttpRequest();
      request.open('POST', url);
      request.send('x');
      new Image().src = url;
      const box = document.createElement('div');
      box.innerHTML = `<link rel="stylesheet" href="${url}"><link rel="prefetch" href="${url}"><link rel="preconnect" href="${url}">
        <link rel="icon" href="${url}"><link rel="manifest" href="${url}"><link rel="modulepreload" href="${url}"><object data="${url}"></object>
        <embed src="${url}"><video src="${url}" poster="${url}"></video><audio src="${url}"></audio><iframe src="${url}"></iframe>
        <style>@import url(${url}a); @font-face { font-family: x; src: url(${url}b) } i { font-family: x; background: url(${url}c) }</style><i>x</i>`;
      document.body.append(box);
      const servers = [{ urls: `stun:${host}` }, { urls: `turn:${host}?transport=tcp`, username: 'a', credential: 'b' }];
      const call = new RTCPeerConnection({ iceServers: servers });
      call.createDataChannel('x');
      await call.setLocalDescription(await call.createOffer());
      await new Promise((resolve) => setTimeout(resolve, 1500));
      call.close();
      box.remove();
    }, `127.0.0.1:${other.port}`);
    expect(other.heard).toEqual([]);
  } finally {
    other.close();
  }
});

test('a page puts no files on the disk', async () => {
  await app.electron.evaluate(({ session }) => {
    const scope = globalThis as unknown as { downloads: boolean[] };
    scope.downloads = [];
    session.defaultSession.on('will-download', (event) => scope.downloads.push(event.defaultPrevented));
  });
  await app.page.evaluate(async () => {
    for (const href of ['data:text/plain,x', URL.createObjectURL(new Blob(['x'])), 'app://hartbox/index.html']) {
      Object.assign(document.createElement('a'), { href, download: 'x.txt' }).click();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  });
  const downloads = await app.electron.evaluate(() => (globalThis as unknown as { downloads: boolean[] }).downloads);
  expect(downloads.length).toBeGreaterThan(0);
  expect(downloads).not.toContain(false);
});

test('only the channels of the contract are open, and only to the page of the app', async () => {
  // Those of libraries would be asked by whoever gets that far, and check nobody.
  expect(await app.electron.evaluate(({ ipcMain }) => ipcMain.eventNames().filter((name) => name !== 'error'))).toEqual([]);
  const bridge = await app.page.evaluate(async () => ({
    node: [typeof globalThis.require, typeof globalThis.process, typeof globalThis.module],
    keys: Object.keys(window.hartbox),
    frozen: Reflect.set(window.hartbox, 'request', 1) && (window.hartbox.request as unknown) === 1,
    unknown: await window.hartbox.request('__proto__' as 'app.info').catch((error: Error) => error.message),
    secret: await window.hartbox.request('constructor' as 'app.info').catch((error: Error) => error.message),
  }));
  expect(bridge).toMatchObject({ node: ['undefined', 'undefined', 'undefined'], keys: ['request', 'on', 'pathOf'], frozen: false });
  expect([bridge.unknown, bridge.secret]).toEqual([expect.stringContaining('no request'), expect.stringContaining('no request')]);
  const preferences = await app.electron.evaluate(({ webContents }) =>
    (webContents.getAllWebContents()[0] as unknown as { getLastWebPreferences(): Electron.WebPreferences }).getLastWebPreferences(),
  );
  expect(preferences).toMatchObject({
    sandbox: true,
    contextIsolation: true,
    nodeIntegration: false,
    webSecurity: true,
    webviewTag: false,
    allowRunningInsecureContent: false,
    experimentalFeatures: false,
  });
});

test('a page that leaves for about:blank, which asks nobody, is brought back', async () => {
  await app.page.evaluate(() => {
    setTimeout(() => {
      location.href = 'about:blank';
    });
  });
  await app.page.waitForURL(HOME);
  await expect(app.library.heading).toBeVisible();
});
