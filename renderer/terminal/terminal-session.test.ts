import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ConsoleMessage } from '../../engine/runner/console-channel';
import { ConsoleSender } from '../../engine/runner/console-sender';
import { type TerminalBehaviour, TerminalSession } from './terminal-session';

let behaviour: TerminalBehaviour;
let session: TerminalSession;
let answered: string;
let copied: string[];

beforeEach(() => {
  behaviour = { bell: 'visual', guestTitle: false, guestClipboard: false };
  answered = '';
  copied = [];
  session = new TerminalSession({
    screenReaderMode: false,
    behaviour,
    onLink: () => undefined,
    onClipboard: (text) => copied.push(text),
    onScreen: () => undefined,
  });
  session.terminal.onData((text) => {
    answered += text;
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function write(text: string): Promise<void> {
  return new Promise((resolve) => session.terminal.write(text, resolve));
}

describe('what a guest may do beside writing', () => {
  it('gives its title only where that is wanted, and harmless', async () => {
    await write('\x1b]0;evil\u202E\x07');
    expect(session.title.value).toBe('');
    behaviour.guestTitle = true;
    await write('\x1b]2;vim\u202E \x07');
    expect(session.title.value).toBe('vim');
  });

  it('writes to the clipboard only where that is wanted, and never reads it', async () => {
    await write('\x1b]52;c;aGFsbG8=\x07');
    expect(copied).toEqual([]);
    behaviour.guestClipboard = true;
    await write('\x1b]52;c;aGFsbG8=\x07\x1b]52;c;?\x07');
    expect(copied).toEqual(['hallo']);
    expect(answered).toBe('');
  });

  it('asks and asks, and what it does not take of the answers does not pile up; what it takes is answered again', async () => {
    const { port1, port2 } = new MessageChannel();
    const send = vi.spyOn(ConsoleSender.prototype, 'send');
    const given = (): number => send.mock.calls.reduce((sum, [data]) => sum + data.length, 0);
    session.expectConnection();
    session.connect(port1);
    for (let i = 0; i < 100; i++) session.terminal.input('x'.repeat(20_000));
    expect(given()).toBeLessThan(512 * 1024);
    const before = given();
    await write('\x1b[c');
    expect(given()).toBe(before);
    port2.onmessage = ({ data }: MessageEvent<ConsoleMessage>) => {
      if (data.type === 'data') port2.postMessage({ type: 'ack', bytes: data.data.length });
    };
    await vi.waitFor(async () => {
      await write('\x1b[c');
      expect(given()).toBeGreaterThan(before);
    });
    session.disconnect();
    port1.close();
  });

  it('gives its terminal no commands that take for ever, nor links without end', async () => {
    await write(`\x1b]4;${'1;red;'.repeat(500_000)}\x07`);
    await write(`\x1b]104;${'1;'.repeat(500_000)}\x07`);
    const { _oscLinkService: kept } = (
      session.terminal as unknown as { _core: { _oscLinkService: { _dataByLinkId: Map<number, unknown> } } }
    )._core;
    for (let i = 0; i < 21; i++) await write('\x1b]8;;http://a.example/\x07a\x1b]8;;\x07\r'.repeat(1000));
    expect(kept._dataByLinkId.size).toBeLessThan(20_001);
    expect(kept._dataByLinkId.size).toBeGreaterThan(1000);
  }, 30_000);

  it('rings where it is to be seen, and not without end', async () => {
    await write('\x07\x07\x07');
    expect(session.bells.value).toBe(1);
    behaviour.bell = 'none';
    vi.spyOn(performance, 'now').mockReturnValue(1e9);
    await write('\x07');
    expect(session.bells.value).toBe(1);
  });

  it.each([
    ['to report the title, place, size and state of the window', '\x1b[21t\x1b[20t\x1b[11t\x1b[13t\x1b[14t\x1b[18t\x1b[19t'],
    ['to change the window', '\x1b[1t\x1b[2t\x1b[3;0;0t\x1b[8;1;1t\x1b[9;1t\x1b[22;0t\x1b[23;0t'],
  ])('has no way %s', async (_what, sequences) => {
    const { cols, rows } = session.terminal;
    await write(sequences);
    expect(answered).toBe('');
    expect([session.terminal.cols, session.terminal.rows]).toEqual([cols, rows]);
  });

  it('gets nothing back that it wrote: a report is short and of the terminal alone', async () => {
    await write(`\x1bP$q${'; rm -rf /\r'.repeat(1000)}\x1b\\`);
    expect(answered.length).toBeLessThan(20);
    expect(answered).not.toContain('rm');
    answered = '';
    await write(`\x1bP$qm\x1b\\\x1bP+q${'41'.repeat(5000)}\x1b\\\x1b[c\x1b[>c\x1b[5n\x05`);
    expect(answered.length).toBeLessThan(100);
  });
});
