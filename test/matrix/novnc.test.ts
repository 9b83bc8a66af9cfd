import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { type Browser, chromium } from '@playwright/test';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocketServer } from 'ws';
import type { InputReport, SharedText } from '../../engine/display/vnc/seat';
import { VncServer } from '../../engine/display/vnc/server';
import { MemoryPicture } from '../../engine/gpu/memory-picture';
import { Scanout } from '../../engine/gpu/scanout';
import { systemBrowser } from '../support/system-browser';

const SIZE = { width: 320, height: 200 };

/** What the page has of it (docs/API.md there). */
interface Rfb {
  clipboardPasteFrom(text: string): void;
  sendKey(keysym: number, code: string, down?: boolean): void;
}
declare global {
  interface Window {
    rfb?: Rfb;
    copied?: string;
  }
}

const PAGE = `<!doctype html><style>html, body, #screen { height: 100%; margin: 0 }</style><div id="screen"></div><script type="module">
import RFB from '/core/rfb.js';
const rfb = new RFB(document.getElementById('screen'), 'ws://' + location.host);
rfb.addEventListener('clipboard', ({ detail }) => (window.copied = detail.text));
rfb.addEventListener('connect', () => (window.rfb = rfb));
</script>`;

/** noVNC's own files, and its sockets joined to a server: what websockify does. Returns the page's address, and what ends it. */
async function serve(port: number): Promise<{ address: string; end: () => void }> {
  const folder = new URL('..', import.meta.resolve('@novnc/novnc'));
  const http = createServer((request, response) => {
    if (request.url === '/') response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    else
      readFile(new URL(`.${request.url}`, folder)).then(
        (script) => response.writeHead(200, { 'content-type': 'text/javascript' }).end(script),
        () => response.writeHead(404).end(),
      );
  });
  const sockets = new WebSocketServer({ server: http });
  sockets.on('connection', (there) => {
    const here = connect(port, '127.0.0.1');
    here.on('data', (bytes) => there.send(bytes));
    here.on('error', () => undefined);
    here.on('close', () => there.close());
    there.on('message', (message) => here.write(message as Buffer));
    there.on('close', () => here.destroy());
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${(http.address() as AddressInfo).port}/`,
    end: () => {
      sockets.close();
      http.close();
      http.closeAllConnections();
    },
  };
}

describe.skipIf(systemBrowser === undefined)(
  `noVNC in Chromium${systemBrowser === undefined ? ' (skipped: needs the Debian package chromium)' : ''}`,
  { timeout: 60_000 },
  () => {
    let browser: Browser | undefined;
    let server: VncServer | undefined;
    let site: Awaited<ReturnType<typeof serve>> | undefined;
    afterEach(async () => {
      site?.end();
      server?.close();
      await browser?.close();
    });

    it('shows the picture, brings keys and the pointer, and shares the clipboard both ways', async () => {
      const scanout = new Scanout(SIZE);
      const bytes = new Uint8Array(4 * SIZE.width * SIZE.height);
      new Uint32Array(bytes.buffer).fill(0x336699);
      scanout.show(new MemoryPicture(bytes, { ...SIZE, stride: 4 * SIZE.width, format: { red: 16, green: 8, blue: 0 } }));
      const reports: { device: string; report: InputReport }[] = [];
      let text: string | undefined;
      let copied: () => void = () => undefined;
      const shared: SharedText = {
        get hasText() {
          return text !== undefined;
        },
        read: () => Promise.resolve(text),
        offer: (offered) => (text = offered),
        onCopy: (listener) => {
          copied = listener;
          return () => undefined;
        },
      };
      server = await VncServer.listen(
        {
          ...{ name: 'Test', scanout, hasKeyboard: true, hasTablet: true, text: shared },
          input: (device, report) => void reports.push({ device, report }),
        },
        { host: '127.0.0.1', port: 0 },
      );
      browser = await chromium.launch({ executablePath: systemBrowser as string, args: ['--no-sandbox', '--disable-gpu'] });
      const page = await browser.newPage();
      site = await serve(Number(/:(\d+)$/.exec(server.address)?.[1]));
      await page.goto(site.address);
      await page.waitForFunction(() => window.rfb !== undefined);

      const pixel = () =>
        page.evaluate(() => {
          const canvas = document.querySelector('canvas');
          return [canvas?.width, canvas?.height, ...(canvas?.getContext('2d')?.getImageData(319, 199, 1, 1).data ?? [])];
        });
      await expect.poll(pixel, { timeout: 20_000 }).toEqual([SIZE.width, SIZE.height, 0x33, 0x66, 0x99, 255]);
      bytes.fill(0);
      scanout.damage({ x: 0, y: 0, ...SIZE });
      await expect.poll(pixel, { timeout: 20_000 }).toEqual([SIZE.width, SIZE.height, 0, 0, 0, 255]);

      await page.locator('canvas').click();
      await page.evaluate(() => window.rfb?.sendKey(0x61, 'KeyA'));
      const EV_KEY = 1;
      const [KEY_A, BTN_LEFT] = [30, 0x110];
      const pressed = (device: string, code: number): boolean =>
        reports.some(
          (one) => one.device === device && one.report.some((event) => event.type === EV_KEY && event.code === code && event.value === 1),
        );
      await vi.waitFor(() => expect([pressed('tablet', BTN_LEFT), pressed('keyboard', KEY_A)]).toEqual([true, true]), 20_000);

      await page.evaluate(() => window.rfb?.clipboardPasteFrom('from there: größer 字\nand more'));
      await vi.waitFor(() => expect(text).toBe('from there: größer 字\nand more'), 20_000);
      text = 'from the guest: 字';
      copied();
      await expect.poll(() => page.evaluate(() => window.copied), { timeout: 20_000 }).toBe('from the guest: 字');
    });
  },
);
