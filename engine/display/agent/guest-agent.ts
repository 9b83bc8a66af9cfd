import { setTimeout as delay } from 'node:timers/promises';
import { VmError } from '../../errors/vm-error';
import { type FileProgress, FileTransfer, gone } from './file-transfer';
import {
  type AgentMessage,
  ANNOUNCE_CAPABILITIES,
  CAPABILITIES,
  CLIPBOARD,
  CLIPBOARD_GRAB,
  CLIPBOARD_RELEASE,
  CLIPBOARD_REQUEST,
  CLIPBOARD_SELECTION,
  DEPTH,
  encodeMessage,
  FILE_STATUS,
  MessageReader,
  MONITORS_CONFIG,
  NO_TYPE,
  PNG,
  SETS_MONITORS,
  TEXT,
  USE_POSITIONS,
  words,
} from './protocol';

/** Bytes of a text or a picture, either way. */
export const CLIPBOARD_MAX = 4 << 20;
/** Bytes of messages beside those that carry a text or a picture. */
const MESSAGE_MAX = 4096;
/** How long a program of the guest may take to hand out what it copied, in milliseconds. */
const PATIENCE_MS = 5000;
/** Kinds of content that it may ask for before it reads. */
const OWED_MAX = 4;
/** How often it is told how far a file is, in milliseconds. */
const PROGRESS_MS = 250;
/** The selection of Ctrl+C, and that of a mouse's middle button, which is left alone but while a text is inserted. */
const SELECTION = 0;
const PRIMARY = 1;
/** How long a program may take to ask for a text that is inserted, and how long it may ask once more, in milliseconds. */
const INSERT_MS = 1000;
const INSERT_AGAIN_MS = 300;

/** The host's end of the port that the agent opens. */
export interface AgentPort {
  readonly isOpen: boolean;
  /** Returns false when the guest had better read first. */
  write(data: Uint8Array): boolean;
  /** Forget what the guest has not read. */
  discard(): void;
  onData(listener: (data: Uint8Array) => void): unknown;
  onDrain(listener: () => void): unknown;
  onOpenChange(listener: (isOpen: boolean) => void): unknown;
}

export interface ClipboardContent {
  text?: string | undefined;
  png?: Uint8Array | undefined;
}

/**
 * The other end of spice-vdagent, which desktops have in the guest: the clipboard of both, files for the guest, and how large its screens are. The guest reads what was offered to it, and only
 * while it is; what it has copied is asked for when somebody wants it. What it sends beside that is not kept.
 */
export class GuestAgent {
  #reader = this.#newReader();
  #capabilities: number | undefined;
  #offered: ClipboardContent = {};
  /** How large its screens are to be; none: as it likes. */
  #screens: readonly { width: number; height: number }[] = [];
  #isArrangementOwed = false;
  /** What the guest has copied, by type; empty where it has nothing, or the host has. */
  #copied: readonly number[] = [];
  #copies = 0;
  /** The guest reads nothing for now. */
  #isFull = false;
  #wanted: { type: number; done: (data: Uint8Array | undefined) => void } | undefined;
  #reading: Promise<unknown> = Promise.resolve();
  /** What the guest has asked for meanwhile, by selection and type: once, however often it asks. */
  readonly #owed = new Set<number>();
  /** The text that is being inserted, and who is told that a program has got it. */
  #inserted: { text: string; taken: () => void } | undefined;
  /** Those who wait until the guest reads again, or is gone. */
  readonly #waiting = new Set<() => void>();
  readonly #onCopy = new Set<() => void>();
  #sending: FileProgress | undefined;
  #toldOfSending = 0;
  readonly #files = new FileTransfer({ write: (message) => this.#writePatiently(message) }, (progress) => this.#progressed(progress));

  constructor(
    private readonly port: AgentPort,
    /** `isThere`, `copies` or `sending` is another now. */
    private readonly onChange: () => void = () => undefined,
  ) {
    port.onData((data) => this.#reader.push(data));
    port.onDrain(() => {
      this.#isFull = false;
      const owed = [...this.#owed];
      this.#owed.clear();
      for (const wanted of owed) this.#answer(wanted & 0xff, wanted >> 8);
      if (this.#isArrangementOwed) this.arrange(this.#screens);
      this.#wake();
    });
    port.onOpenChange((isOpen) => this.#opened(isOpen));
    if (port.isOpen) this.#opened(true);
  }

  /** The agent runs in the guest, and knows of clipboards. */
  get isThere(): boolean {
    return this.#capabilities !== undefined;
  }

  /** How often something was copied in the guest. */
  get copies(): number {
    return this.#copies;
  }

  /** Whether a text was copied in the guest, or offered to it. */
  get hasText(): boolean {
    return this.#copied.includes(TEXT) || this.#offered.text !== undefined;
  }

  /** Whenever something is copied in the guest; returns what ends that. */
  onCopy(listener: () => void): () => void {
    this.#onCopy.add(listener);
    return () => this.#onCopy.delete(listener);
  }

  /** What programs of the guest find in the clipboard from now on; nothing: what they copied themselves. Texts and pictures that are too long are left out. */
  offer({ text, png }: ClipboardContent): void {
    const had = typesOf(this.#offered).length > 0;
    this.#offered = {
      ...(text !== undefined && text !== '' && Buffer.byteLength(text) <= CLIPBOARD_MAX && { text }),
      ...(png && png.length <= CLIPBOARD_MAX && { png }),
    };
    const types = typesOf(this.#offered);
    if (types.length > 0) {
      this.#copied = [];
      this.#send(CLIPBOARD_GRAB, words(...types));
    } else if (had) this.#send(CLIPBOARD_RELEASE, new Uint8Array(0));
  }

  /**
   * Make the guest's screens so large, from left to right, in pixels. The device tells the driver the same, which many a desktop leaves at that, as Xfce does; and
   * who comes later is told then.
   */
  arrange(screens: readonly { width: number; height: number }[]): void {
    this.#screens = screens;
    this.#isArrangementOwed = this.#isFull;
    if (((this.#capabilities ?? 0) & (1 << SETS_MONITORS)) === 0 || this.#isFull) return;
    let left = 0;
    const monitors = screens.flatMap(({ width, height }) => {
      const monitor = [height, width, DEPTH, left, 0];
      left += width;
      return monitor;
    });
    this.#write({ type: MONITORS_CONFIG, data: words(screens.length, USE_POSITIONS, ...monitors) });
  }

  /** What is in the guest's clipboard: what was copied there, or what was offered. Empty where nothing is, and where the guest does not say in time. */
  read(): Promise<ClipboardContent> {
    return this.#inTurn(() => this.#readNow());
  }

  /**
   * Paste a text into the program that has the keyboard. `press` is called once programs find the text in the clipboard, and where the middle button pastes
   * from, and is to press the keys for that. Then what was in the clipboard before is there again, as far as it was a text or a picture. Resolves then; texts
   * that are inserted meanwhile follow in order.
   */
  insert(text: string, press: () => void): Promise<void> {
    return this.#inTurn(async () => {
      const before = await this.#readNow();
      const taken = new Promise<void>((resolve) => (this.#inserted = { text, taken: resolve }));
      try {
        this.offer({ text });
        if (this.#hasSelections) this.#send(CLIPBOARD_GRAB, words(TEXT), PRIMARY);
        const copies = this.#copies;
        // It takes one message after the other, so that with this answer, which is that it has nothing, the text is there.
        await this.#fetch(TEXT);
        if (!this.isThere)
          throw new VmError('State', 'The agent of the guest has ended, so that the text was not pasted. Try once more.', {
            code: 'text-not-pasted',
          });
        press();
        await Promise.race([taken, delay(INSERT_MS)]);
        await delay(INSERT_AGAIN_MS);
        if (this.#copies === copies) this.offer(before);
      } finally {
        this.#inserted = undefined;
        if (this.#hasSelections) this.#send(CLIPBOARD_RELEASE, new Uint8Array(0), PRIMARY);
      }
    });
  }

  #inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#reading.then(task);
    this.#reading = result.catch(() => undefined);
    return result;
  }

  async #readNow(): Promise<ClipboardContent> {
    if (this.#copied.length === 0) return this.#offered;
    const text = this.#copied.includes(TEXT) ? await this.#fetch(TEXT) : undefined;
    const png = this.#copied.includes(PNG) ? await this.#fetch(PNG) : undefined;
    return { text: text && new TextDecoder().decode(text), png };
  }

  /** Put a file of this computer where the guest's user gets downloads. Resolves when it is there; rejects with the signal's reason. */
  sendFile(path: string, signal?: AbortSignal): Promise<void> {
    return this.#files.send(path, signal);
  }

  /** The file that is under way. */
  get sending(): FileProgress | undefined {
    return this.#sending;
  }

  #progressed(progress: FileProgress | undefined): void {
    const isOther = progress?.file !== this.#sending?.file;
    this.#sending = progress;
    const now = performance.now();
    if (!isOther && now - this.#toldOfSending < PROGRESS_MS) return;
    this.#toldOfSending = now;
    this.onChange();
  }

  #opened(isOpen: boolean): void {
    this.#reader = this.#newReader();
    this.#capabilities = undefined;
    this.#copied = [];
    this.#isFull = false;
    this.#owed.clear();
    this.#wanted?.done(undefined);
    this.#files.end();
    this.port.discard();
    this.#wake();
    if (isOpen) this.#announce(true);
    this.onChange();
  }

  #newReader(): MessageReader {
    return new MessageReader(
      (type) => (type === CLIPBOARD && this.#wanted ? CLIPBOARD_MAX + 8 : MESSAGE_MAX),
      (message) => this.#receive(message),
    );
  }

  #announce(wantsAnswer: boolean): void {
    this.#write({ type: ANNOUNCE_CAPABILITIES, data: words(wantsAnswer ? 1 : 0, CAPABILITIES) });
  }

  #receive({ type, data }: AgentMessage): void {
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    if (type === ANNOUNCE_CAPABILITIES) {
      // One who says much and does not read is not answered.
      if (data.length < 8 || this.#isFull) return;
      this.#capabilities = view.getUint32(4, true);
      if (view.getUint32(0, true) !== 0) this.#announce(false);
      // What was offered before it was there.
      this.offer(this.#offered);
      if (this.#screens.length > 0) this.arrange(this.#screens);
      this.onChange();
      return;
    }
    if (type === FILE_STATUS) {
      this.#files.receive(data);
      return;
    }
    const head = this.#hasSelections ? 4 : 0;
    if (data.length < head) return;
    const selection = head === 0 ? SELECTION : data[0];
    const isInserted = selection === PRIMARY && type === CLIPBOARD_REQUEST && this.#inserted !== undefined;
    if (selection !== SELECTION && !isInserted) return;
    switch (type) {
      case CLIPBOARD_GRAB:
        this.#copied = Array.from({ length: Math.floor((data.length - head) / 4) }, (_, i) => view.getUint32(head + 4 * i, true));
        this.#offered = {};
        this.#copies++;
        this.onChange();
        for (const listener of this.#onCopy) listener();
        break;
      case CLIPBOARD_RELEASE:
        this.#copied = [];
        break;
      case CLIPBOARD_REQUEST:
        if (data.length < head + 4) break;
        if (!this.#isFull) this.#answer(view.getUint32(head, true), selection);
        else if (this.#owed.size < OWED_MAX) this.#owed.add((view.getUint32(head, true) & 0xff) | (selection << 8));
        break;
      case CLIPBOARD:
        // Who has nothing of that type answers with another.
        if (data.length >= head + 4)
          this.#wanted?.done(view.getUint32(head, true) === this.#wanted.type ? data.subarray(head + 4) : undefined);
    }
  }

  #answer(type: number, selection: number): void {
    const { text, png } = selection === PRIMARY ? { text: this.#inserted?.text, png: undefined } : this.#offered;
    const data = type === TEXT && text !== undefined ? new TextEncoder().encode(text) : type === PNG ? png : undefined;
    const head = words(data ? type : NO_TYPE);
    const answer = new Uint8Array(4 + (data?.length ?? 0));
    answer.set(head);
    answer.set(data ?? [], 4);
    this.#send(CLIPBOARD, answer, selection);
    if (type === TEXT) this.#inserted?.taken();
  }

  #fetch(type: number): Promise<Uint8Array | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wanted?.done(undefined), PATIENCE_MS);
      this.#wanted = {
        type,
        done: (data) => {
          clearTimeout(timer);
          this.#wanted = undefined;
          resolve(data);
        },
      };
      this.#send(CLIPBOARD_REQUEST, words(type));
    });
  }

  get #hasSelections(): boolean {
    return ((this.#capabilities ?? 0) & (1 << CLIPBOARD_SELECTION)) !== 0;
  }

  /** What concerns a selection. */
  #send(type: number, data: Uint8Array, selection = SELECTION): void {
    if (!this.isThere) return;
    const head = this.#hasSelections ? 4 : 0;
    const whole = new Uint8Array(head + data.length);
    whole[0] = selection;
    whole.set(data, head);
    this.#write({ type, data: head === 0 ? data : whole });
  }

  async #writePatiently(message: AgentMessage): Promise<void> {
    while (this.#isFull && this.isThere) await new Promise<void>((resolve) => this.#waiting.add(resolve));
    if (!this.isThere) throw gone();
    this.#write(message);
  }

  #wake(): void {
    for (const go of this.#waiting) go();
    this.#waiting.clear();
  }

  #write(message: AgentMessage): void {
    if (!this.port.isOpen) return;
    this.#isFull = !this.port.write(encodeMessage(message));
  }
}

function typesOf({ text, png }: ClipboardContent): number[] {
  return [...(text === undefined ? [] : [TEXT]), ...(png ? [PNG] : [])];
}
