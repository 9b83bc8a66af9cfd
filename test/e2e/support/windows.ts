import type { HartboxApp } from './hartbox-app';

/** Do something with the window whose title matches: in the main process, since Playwright has no line to a page that has crashed once. */
export function inWindow<T, A = undefined>(
  { electron }: HartboxApp,
  title: RegExp,
  act: (window: Electron.BrowserWindow, argument: A) => T | Promise<T>,
  argument?: A,
): Promise<T> {
  return electron.evaluate<T, { wanted: string; code: string; given: A | undefined }>(
    ({ BrowserWindow }, { wanted, code, given }) => {
      const window = BrowserWindow.getAllWindows().find((one) => new RegExp(wanted).test(one.getTitle()));
      if (!window) throw new Error(`No window is called ${wanted}.`);
      // What is passed on is text: a function of the test's.
      // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the way of what Playwright evaluates
      return new Function('window', 'argument', `return (${code})(window, argument)`)(window, given) as T;
    },
    { wanted: title.source, code: act.toString(), given: argument },
  );
}

export interface Seen {
  /** Pixels, as `640x480`; `none` where there is no picture. */
  size: string;
  /** Red, green and blue of the first. */
  pixel: number[];
}

/** The guest's picture in a window. */
export function pictureIn(app: HartboxApp, title: RegExp): Promise<Seen> {
  return inWindow(app, title, (window) => {
    const none = { size: 'none', pixel: [] as number[] };
    if (window.webContents.isCrashed()) return none;
    return window.webContents.executeJavaScript(`(() => {
      // One below the other.
      const canvases = [...document.querySelectorAll('.screen-stage canvas')];
      const [canvas] = canvases;
      if (!canvas) return { size: 'none', pixel: [] };
      const copy = new OffscreenCanvas(1, 1).getContext('2d');
      copy.drawImage(canvas, 0, 0, 1, 1, 0, 0, 1, 1);
      return { size: canvas.width + 'x' + canvases.reduce((sum, { height }) => sum + height, 0), pixel: [...copy.getImageData(0, 0, 1, 1).data].slice(0, 3) };
    })()`) as Promise<typeof none>;
  });
}
