import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { CLIPBOARD_MAX, type ClipboardContent, GuestAgent } from './guest-agent';
import { type AgentMessage, encodeMessage, MessageReader, words } from './protocol';

/** The guest's end of the port. */
class GuestEnd {
  isOpen = false;
  readonly sent: Uint8Array[] = [];
  readonly heard: AgentMessage[] = [];
  takes = true;
  #data: (data: Uint8Array) => void = () => undefined;
  #drain: () => void = () => undefined;
  #openChange: (isOpen: boolean) => void = () => undefined;
  readonly #reader = new MessageReader(
    () => CLIPBOARD_MAX + 100,
    (message) => this.heard.push(message),
  );

  write(data: Uint8Array): boolean {
    this.sent.push(data);
    this.#reader.push(data);
    return this.takes;
  }
  discard(): void {
    this.sent.length = 0;
  }
  onData(listener: (data: Uint8Array) => void): void {
    this.#data = listener;
  }
  onDrain(listener: () => void): void {
    this.#drain = listener;
  }
  onOpenChange(listener: (isOpen: boolean) => void): void {
    this.#openChange = listener;
  }
  open(isOpen = true): void {
    this.isOpen = isOpen;
    this.#openChange(isOpen);
  }
  drain(): void {
    this.#drain();
  }
  raw(data: Uint8Array): void {
    this.#data(data);
  }
  say(type: number, data: Uint8Array): void {
    this.raw(encodeMessage({ type, data }));
  }
  /** What came of this type since it was asked for last. */
  take(type: number): number[][] {
    const found = this.heard.filter((message) => message.type === type);
    this.heard.length = 0;
    return found.map(({ data }) => [...data]);
  }
}

const SELECTIONS = 1 << 6;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const join = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

function setUp(capabilities = SELECTIONS) {
  const guest = new GuestEnd();
  let changes = 0;
  const agent = new GuestAgent(guest, () => changes++);
  guest.open();
  guest.say(6, words(1, capabilities));
  return { guest, agent, changes: () => changes };
}

describe('the clipboard of a guest', () => {
  it('is offered what was there before its agent', () => {
    const guest = new GuestEnd();
    new GuestAgent(guest).offer({ text: 'early' });
    guest.open();
    guest.say(6, words(1, SELECTIONS));
    expect(guest.take(7)).toEqual([[...words(0, 1)]]);
  });

  it('is there once the agent says what it can, and no longer when it is gone', () => {
    const { guest, agent, changes } = setUp();
    expect(guest.take(6).map(([wantsAnswer]) => wantsAnswer)).toEqual([1, 0]);
    expect([agent.isThere, changes()]).toEqual([true, 2]);
    guest.open(false);
    expect([agent.isThere, changes()]).toEqual([false, 3]);
  });

  it('is what a program pastes that a text is inserted into, and is then as it was', async () => {
    const { guest, agent } = setUp();
    agent.offer({ text: 'before' });
    guest.heard.length = 0;
    const done: string[] = [];
    const inserted = ['字', 'Grüße'].map((text) =>
      agent.insert(text, () => done.push(`pressed ${text}`)).then(() => done.push(`${text} is there`)),
    );
    for (const text of ['字', 'Grüße']) {
      // Both selections are taken, and a question tells when that is done.
      await vi.waitFor(() =>
        expect(guest.heard.map(({ type, data }) => [type, data[0]])).toEqual([
          [7, 0],
          [7, 1],
          [8, 0],
        ]),
      );
      guest.heard.length = 0;
      expect(done.at(-1)).not.toBe(`pressed ${text}`);
      guest.say(4, join(words(0), words(0)));
      await vi.waitFor(() => expect(done.at(-1)).toBe(`pressed ${text}`));
      for (const selection of [0, 1]) {
        guest.say(8, join(words(selection), words(1)));
        expect(guest.take(4)).toEqual([[...words(selection), ...words(1), ...bytes(text)]]);
      }
      await vi.waitFor(() => expect(done.at(-1)).toBe(`${text} is there`));
      expect(guest.heard.slice(0, 2).map(({ type, data }) => [type, data[0]])).toEqual([
        [7, 0],
        [9, 1],
      ]);
      guest.heard.splice(0, 2);
      if (text === '字') continue;
      guest.say(8, join(words(0), words(1)));
      expect(guest.take(4)).toEqual([[...words(0), ...words(1), ...bytes('before')]]);
      // The middle button's selection is not ours any more.
      guest.say(8, join(words(1), words(1)));
      expect(guest.take(4)).toEqual([]);
    }
    await Promise.all(inserted);
  });

  it('stays what a program copied while a text was inserted; and the agent may go meanwhile', async () => {
    const { guest, agent } = setUp();
    agent.offer({ text: 'before' });
    const inserted = agent.insert('x', () => guest.say(7, join(words(0), words(1))));
    await vi.waitFor(() => expect(guest.take(8)).toHaveLength(1));
    guest.say(4, join(words(0), words(0)));
    await inserted;
    expect(guest.take(7)).toEqual([]);
    guest.say(9, words(0));
    const pressed = vi.fn();
    const lost = agent.insert('y', pressed);
    await vi.waitFor(() => expect(guest.take(8)).toHaveLength(1));
    guest.open(false);
    await expect(lost).rejects.toThrow('agent');
    expect(pressed).not.toHaveBeenCalled();
  });

  it.each([0, SELECTIONS])('finds what is offered, as long as it is, with capabilities %i', (capabilities) => {
    const head = capabilities ? words(0) : new Uint8Array(0);
    const { guest, agent } = setUp(capabilities);
    const ask = (type: number): number[][] => {
      guest.say(8, join(head, words(type)));
      return guest.take(4);
    };
    expect(ask(1)).toEqual([[...head, ...words(0)]]);
    const png = Uint8Array.of(1, 2, 3);
    agent.offer({ text: 'Grüße', png });
    expect(guest.take(7)).toEqual([[...head, ...words(1, 2)]]);
    expect(ask(1)).toEqual([[...head, ...words(1), ...bytes('Grüße')]]);
    expect(ask(2)).toEqual([[...head, ...words(2), ...png]]);
    expect(ask(3)).toEqual([[...head, ...words(0)]]);
    agent.offer({});
    expect(guest.take(9)).toEqual([[...head]]);
    expect(ask(1)).toEqual([[...head, ...words(0)]]);
    agent.offer({ text: 'x'.repeat(CLIPBOARD_MAX + 1) });
    expect(guest.take(7)).toEqual([]);
  });

  it('tells what was copied there when somebody wants it', async () => {
    const { guest, agent } = setUp();
    agent.offer({ text: 'ours' });
    // Of a mouse.
    guest.say(7, join(words(1), words(1)));
    expect(agent.copies).toBe(0);
    guest.say(7, join(words(0), words(1, 2, 77)));
    expect(agent.copies).toBe(1);
    const read = [agent.read(), agent.read()];
    for (const _ of read) {
      for (const [type, data] of [
        [1, bytes('theirs')],
        [2, Uint8Array.of(9)],
      ] as const) {
        await new Promise(setImmediate);
        expect(guest.take(8)).toEqual([[...words(0, type)]]);
        guest.say(4, join(words(0, type), data));
      }
    }
    const content: ClipboardContent = { text: 'theirs', png: Uint8Array.of(9) };
    expect(await Promise.all(read)).toEqual([content, content]);
    guest.say(9, words(0));
    expect(await agent.read()).toEqual({});
    guest.say(7, words(0, 1));
    const unanswered = agent.read();
    await new Promise(setImmediate);
    guest.open(false);
    expect(await unanswered).toEqual({ text: undefined, png: undefined });
  });

  it('is not answered where it asks and reads nothing', () => {
    const { guest, agent } = setUp();
    agent.offer({ text: 'x'.repeat(100_000) });
    guest.takes = false;
    for (let i = 0; i < 1000; i++) guest.say(8, words(0, 1 + (i % 100)));
    expect(guest.sent.length).toBeLessThan(10);
    guest.takes = true;
    guest.heard.length = 0;
    guest.drain();
    // Of what it has asked for meanwhile as much as it may.
    expect(guest.take(4)).toHaveLength(4);
    guest.say(8, words(0, 1));
    expect(guest.take(4)).toHaveLength(1);
  });

  const folder = mkdtempSync(path.join(tmpdir(), 'hartbox-agent-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  function fileOf(data: Uint8Array, name = 'a b.txt'): string {
    const file = path.join(folder, name);
    writeFileSync(file, data);
    return file;
  }
  const status = (id: number, what: number): Uint8Array => words(id, what);
  const started = (guest: GuestEnd): Promise<string> =>
    vi.waitFor(() => Buffer.from(guest.heard.find(({ type }) => type === 10)?.data.subarray(4) ?? fail()).toString());
  const fail = (): never => {
    throw new Error('nothing was sent');
  };

  it('gets a file as fast as it reads, and is told of what it asks for meanwhile', async () => {
    const { guest, agent } = setUp();
    agent.offer({ text: 'ours' });
    const data = randomBytes(200_000);
    const sent = agent.sendFile(fileOf(data));
    expect(await started(guest)).toBe('[vdagent-file-xfer]\nname=a b.txt\nsize=200000\n\0');
    guest.takes = false;
    guest.say(11, status(1, 0));
    const pieces = (): Buffer => Buffer.concat(guest.heard.filter(({ type }) => type === 12).map((message) => message.data.subarray(12)));
    await vi.waitFor(() => expect(pieces().length).toBeGreaterThan(0));
    const before = pieces().length;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(pieces().length).toBe(before);
    for (let i = 0; i < 100; i++) guest.say(8, words(0, 1));
    expect(guest.heard.filter(({ type }) => type === 4)).toEqual([]);
    guest.takes = true;
    guest.drain();
    await vi.waitFor(() => expect(pieces().length).toBe(data.length));
    expect(pieces().equals(data)).toBe(true);
    expect(guest.heard.filter(({ type }) => type === 4)).toHaveLength(1);
    guest.say(11, status(1, 3));
    await sent;
  });

  it.each([
    [2, 'file-refused'],
    [4, 'file-no-space'],
    [5, 'file-locked'],
    [6, 'file-nobody'],
    [7, 'file-disabled'],
  ])('says why a file is not taken: %i is %s, and takes the next', async (why, code) => {
    const { guest, agent } = setUp();
    const file = fileOf(Buffer.alloc(0), '\\n\n.txt');
    const [refused, taken] = [agent.sendFile(file), agent.sendFile(file)];
    refused.catch(() => undefined);
    expect(await started(guest)).toContain('name=\\\\n\\n.txt\nsize=0\n');
    guest.say(11, status(1, why));
    await expect(refused).rejects.toMatchObject({ code, params: { file: '\\n\n.txt' } });
    guest.heard.length = 0;
    await started(guest);
    guest.say(11, status(2, 0));
    await vi.waitFor(() => expect(guest.take(12)).toEqual([[...words(2, 0, 0)]]));
    guest.say(11, status(2, 3));
    await taken;
  });

  it('tells how far a file is, and ends it where that is wanted', async () => {
    const { guest, agent, changes } = setUp();
    const data = randomBytes(200_000);
    const controller = new AbortController();
    const [sent, waiting] = [1, 2].map(() => agent.sendFile(fileOf(data), controller.signal));
    for (const one of [sent, waiting]) one.catch(() => undefined);
    await started(guest);
    expect(agent.sending).toEqual({ file: 'a b.txt', done: 0, size: 200_000 });
    expect(changes()).toBeGreaterThan(0);
    guest.takes = false;
    guest.say(11, status(1, 0));
    await vi.waitFor(() => expect(agent.sending?.done).toBe(32 << 10));
    controller.abort(new Error('no more'));
    guest.takes = true;
    guest.drain();
    for (const one of [sent, waiting]) await expect(one).rejects.toThrow('no more');
    // The guest is told of the one that it knows.
    expect(guest.take(11)).toEqual([[...words(1, 1)]]);
    expect(agent.sending).toBeUndefined();
    guest.heard.length = 0;
    const next = agent.sendFile(fileOf(randomBytes(10)));
    await started(guest);
    guest.say(11, status(2, 0));
    await vi.waitFor(() => expect(agent.sending?.done).toBe(10));
    guest.say(11, status(2, 3));
    await next;
  });

  it('gets no file where there is none, and none to its end once it is gone', async () => {
    const { guest, agent } = setUp();
    await expect(agent.sendFile(path.join(folder, 'none'))).rejects.toThrow(/none/);
    await expect(agent.sendFile(folder)).rejects.toThrow(/folder/);
    const sent = agent.sendFile(fileOf(randomBytes(100)));
    sent.catch(() => undefined);
    await started(guest);
    guest.open(false);
    // Nor does the next one read what was for it.
    expect(guest.sent).toEqual([]);
    await expect(sent).rejects.toMatchObject({ code: 'agent-gone' });
    await expect(agent.sendFile(fileOf(randomBytes(100)))).rejects.toMatchObject({ code: 'agent-gone' });
  });

  it('survives whatever is written to the port, in small memory', async () => {
    const { guest, agent } = setUp();
    const before = process.memoryUsage().arrayBuffers;
    for (let round = 0; round < 3000; round++) {
      const kind = round % 4;
      if (kind === 0) guest.raw(randomBytes(round % 4099));
      // Messages that say that they are long, and of which nothing follows, or something of another kind.
      else if (kind === 1) {
        const bad = encodeMessage({ type: round % 20, data: randomBytes(round % 300) });
        new DataView(bad.buffer).setUint32(8 + 16, (round * 2_654_435_761) >>> 0, true);
        guest.raw(bad);
      } else if (kind === 2) guest.say(round % 20, randomBytes((round * 7) % 5000));
      else {
        if (round % 3) guest.open(false);
        guest.open();
        guest.say(6, randomBytes(round % 40));
      }
    }
    // It may say that it has what nobody has asked for.
    for (let i = 0; i < 20; i++) guest.say(4, new Uint8Array(CLIPBOARD_MAX));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(256 << 20);
    guest.open(false);
    guest.open();
    guest.take(0);
    guest.say(6, words(1, SELECTIONS));
    agent.offer({ text: 'still here' });
    guest.say(8, words(0, 1));
    expect(guest.take(4)).toEqual([[...words(0, 1), ...bytes('still here')]]);
  });
});

describe('the screens of a guest', () => {
  const SETS_MONITORS = 1 << 1;
  const screens = [
    { width: 1120, height: 676 },
    { width: 800, height: 600 },
  ];
  /** Height, width, depth, and where its upper left is. */
  const config = [...words(2, 1, 676, 1120, 32, 0, 0, 600, 800, 32, 1120, 0)];

  it('are as large as they are wanted, side by side, also where the agent comes later', () => {
    const { guest, agent } = setUp(SELECTIONS | SETS_MONITORS);
    expect(guest.take(2)).toEqual([]);
    agent.arrange(screens);
    expect(guest.take(2)).toEqual([config]);
    guest.open(false);
    guest.open();
    expect(guest.take(2)).toEqual([]);
    guest.say(6, words(1, SELECTIONS | SETS_MONITORS));
    expect(guest.take(2)).toEqual([config]);
  });

  it('are left to an agent that does not know of them, and told one that reads nothing once, when it reads again', () => {
    const unaware = setUp();
    unaware.agent.arrange(screens);
    expect(unaware.guest.take(2)).toEqual([]);

    const { guest, agent } = setUp(SELECTIONS | SETS_MONITORS);
    guest.takes = false;
    for (let i = 0; i < 100; i++) agent.arrange([{ width: 640 + i, height: 480 }]);
    expect(guest.take(2)).toHaveLength(1);
    guest.takes = true;
    agent.arrange(screens);
    expect(guest.take(2)).toEqual([]);
    guest.drain();
    expect(guest.take(2)).toEqual([config]);
    guest.drain();
    expect(guest.take(2)).toEqual([]);
  });
});
