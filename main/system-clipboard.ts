import type * as Electron from 'electron';

export interface ClipboardContent {
  /** Empty: none. */
  text: string;
  png?: Uint8Array | undefined;
}

/** This computer's clipboard: texts and pictures. */
export interface SystemClipboard {
  read(): Promise<ClipboardContent>;
  write(content: ClipboardContent): Promise<void>;
}

/** As Electron had it up to version 44. */
interface OldClipboard {
  readText(): string;
  readImage(): Electron.NativeImage;
  availableFormats(): string[];
  write(data: { text?: string; image?: Electron.NativeImage }): void;
}

const [TEXT, PNG] = ['text/plain', 'image/png'];

export function systemClipboard({ clipboard, nativeImage, ClipboardItem }: typeof Electron): SystemClipboard {
  return 'readImage' in clipboard ? old(clipboard as unknown as OldClipboard, nativeImage) : byItems(clipboard, ClipboardItem);
}

function old(clipboard: OldClipboard, nativeImage: typeof Electron.nativeImage): SystemClipboard {
  return {
    async read() {
      // To look for one takes a while.
      const image = clipboard.availableFormats().some((format) => format.startsWith('image/')) ? clipboard.readImage() : undefined;
      return Promise.resolve({ text: clipboard.readText(), png: image && !image.isEmpty() ? image.toPNG() : undefined });
    },
    write({ text, png }) {
      clipboard.write({ ...(text !== '' && { text }), ...(png && { image: nativeImage.createFromBuffer(Buffer.from(png)) }) });
      return Promise.resolve();
    },
  };
}

function byItems(clipboard: Electron.Clipboard, Item: typeof Electron.ClipboardItem): SystemClipboard {
  return {
    async read() {
      const items = await clipboard.read();
      const first = async (type: string): Promise<Blob | undefined> =>
        (await items.find(({ types }) => types.includes(type))?.getType(type)) as Blob | undefined;
      const [text, png] = await Promise.all([first(TEXT), first(PNG)]);
      return { text: (await text?.text()) ?? '', png: png && new Uint8Array(await png.arrayBuffer()) };
    },
    write: ({ text, png }) =>
      clipboard.write([
        new Item({ ...(text !== '' && { [TEXT]: text }), ...(png && { [PNG]: new Blob([Uint8Array.from(png)], { type: PNG }) }) }),
      ]),
  };
}
