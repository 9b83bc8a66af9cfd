import fc from 'fast-check';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeTarget } from '../../../test/support/debug-target';
import { VmError } from '../../errors/vm-error';
import { encodePacket, type PacketEvent, PacketParser, textToHex } from './packet';
import { GdbSession, PACKET_BYTES } from './session';

/** A client of a session, on a line that loses nothing. */
class Client {
  readonly session: GdbSession;
  readonly received: string[] = [];
  isClosed = false;
  private readonly parser = new PacketParser(4 * PACKET_BYTES);

  constructor(readonly target: FakeTarget) {
    this.session = new GdbSession(target, {
      send: (bytes) => {
        for (const event of this.parser.push(bytes)) this.take(event);
      },
      close: () => {
        this.isClosed = true;
      },
    });
  }

  send(bytes: string): Promise<void> {
    return this.session.receive(Buffer.from(bytes, 'latin1'));
  }

  /** The answers to one packet. */
  async ask(payload: string): Promise<string[]> {
    this.received.length = 0;
    await this.session.receive(encodePacket(payload));
    return [...this.received];
  }

  /** The next answer, to something that was asked before. */
  async next(): Promise<string> {
    await vi.waitFor(() => expect(this.received).not.toEqual([]));
    return this.received.shift() ?? '';
  }

  private take(event: PacketEvent): void {
    if (event.kind === 'packet') {
      expect(event.isSound).toBe(true);
      this.received.push(event.payload);
    } else this.received.push(event.kind);
  }
}

let target: FakeTarget;
let client: Client;
beforeEach(async () => {
  target = new FakeTarget(3);
  client = new Client(target);
  await client.ask('qSupported:multiprocess+;swbreak+;hwbreak+;xmlRegisters=riscv');
  await client.ask('QStartNoAckMode');
});

const stopped = (hart: number, why = ''): RegExp => new RegExp(`^T05.*;thread:p1\\.${hart + 1};core:${hart};${why}$`);

describe('a session of a debugger', () => {
  it('holds a machine that runs from its first packet on, and lets it go when it leaves', async () => {
    expect(target.state).toBe('paused');
    expect(await client.ask('?')).toEqual([expect.stringMatching(stopped(0))]);
    expect(await client.ask('D;1')).toEqual(['OK']);
    expect([target.state, client.isClosed]).toEqual(['running', true]);
  });

  it('leaves the machine as it would be without it when its client dies', async () => {
    await client.ask('Z0,8000,4');
    await client.ask('Z2,9000,8');
    await client.ask('vCont;c:p1.2');
    expect(target.asked).toEqual(['stay run stay']);
    await client.session.end('lost');
    expect([target.breakpoints, target.watchpoints, target.state]).toEqual([[], [], 'running']);
    expect(target.asked).toEqual(['stay run stay', 'go']);
    expect(target.events.listenerCount('stopped') + target.events.listenerCount('exit')).toBe(0);
  });

  it('lets a machine go on of which a hart came to its stop just when its client died', async () => {
    await client.ask('vCont;s:p1.1;c');
    target.pause = async () => {
      target.state = 'paused';
      throw new VmError('State', 'It has stopped by itself.');
    };
    await client.session.end('lost');
    expect([target.state, target.asked.at(-1)]).toEqual(['running', 'go']);
  });

  it('keeps a machine waiting that waited before it came', async () => {
    const waiting = new FakeTarget(1);
    waiting.state = 'paused';
    const other = new Client(waiting);
    await other.ask('?');
    await other.session.end('lost');
    expect(waiting.state).toBe('paused');
  });

  it('tells of the stop of one hart at a time, and loses none', async () => {
    await client.ask('Z0,8000,2');
    await client.ask('vCont;c');
    target.stopAt(1, { reason: 'breakpoint', pc: 0x8000n });
    expect(await client.next()).toMatch(stopped(1, 'swbreak:;'));
    target.stopAt(2, { reason: 'breakpoint', pc: 0x8000n });
    expect(client.received).toEqual([]);
    target.asked.length = 0;
    await client.ask('vCont;c');
    expect(await client.next()).toMatch(stopped(2, 'swbreak:;'));
    expect(target.asked).toEqual([]);
    // Both have been told of now.
    await client.ask('vCont;c');
    expect(target.asked).toEqual(['run run run']);
  });

  it('tells of watched data before the access, by which watchpoint, and goes past it then', async () => {
    await client.ask('Z2,9000,8');
    await client.ask('Z3,9100,4');
    await client.ask('vCont;c');
    target.stopAt(0, { reason: 'write', pc: 0x100n, address: 0x9004n });
    expect(await client.next()).toMatch(stopped(0, 'watch:9004;'));
    expect(target.registers(0).pc).toBe(0x100n);
    await client.ask('vCont;c');
    expect(target.asked.at(-1)).toBe('pass run run');
    target.stopAt(0, { reason: 'read', pc: 0x200n, address: 0x9100n, isDone: true });
    expect(await client.next()).toMatch(stopped(0, 'rwatch:9100;'));
    expect(target.registers(0).pc).toBe(0x200n);
    await client.ask('vCont;c');
    expect(target.asked.at(-1)).toBe('run run run');
  });

  it('steps one hart alone, or while others run, and through a range', async () => {
    await client.ask('?');
    target.asked.length = 0;
    await client.ask('vCont;s:p1.2');
    expect(await client.next()).toMatch(stopped(1));
    await client.ask('vCont;s:p1.2;c:p1.-1');
    expect(target.asked).toEqual(['step 1', 'run step run']);
    target.stopAt(1, { reason: 'step', pc: 0x44n });
    expect(await client.next()).toMatch(stopped(1));
    target.registers(1).pc = 0x100n;
    target.asked.length = 0;
    await client.ask('vCont;r100,110:p1.2');
    expect(await client.next()).toMatch(stopped(1));
    expect([target.asked.length, target.registers(1).pc]).toEqual([4, 0x110n]);
  });

  it('is interrupted, between packets and while it steps through a range', async () => {
    await client.ask('vCont;c');
    await client.send('\x03');
    expect(await client.next()).toMatch(/^T02/);
    expect(target.state).toBe('paused');
    await client.ask('vCont;r0,ffffffffffffffff:1');
    await client.send('\x03');
    expect(await client.next()).toMatch(/^T02/);
    // Nothing runs: nothing is said.
    await client.send('\x03');
    expect(client.received).toEqual([]);
  });

  it('says that the machine is off, with its exit code', async () => {
    await client.ask('vCont;c');
    target.end(7);
    expect(await client.next()).toBe('W07;process:1');
    expect(client.isClosed).toBe(true);
  });

  it('reads and writes registers and memory, and refuses what is not there', async () => {
    expect(await client.ask('P5=8877665544332211')).toEqual(['OK']);
    expect(await client.ask('p5')).toEqual(['8877665544332211']);
    expect((await client.ask('g'))[0]).toHaveLength(33 * 16);
    expect(await client.ask(`G${'0100000000000000'.repeat(33)}`)).toEqual(['OK']);
    expect(await client.ask('p0')).toEqual(['0000000000000000']);
    expect(await client.ask('p341')).toEqual(['000000000a000000']);
    expect(await client.ask('p342')).toEqual(['E0e']);
    expect(await client.ask('M10,3:010203')).toEqual(['OK']);
    expect(await client.ask('m10,4')).toEqual(['01020300']);
    expect(await client.ask('X10,2:}\x03#'.replace('#', '\x04'))).toEqual(['OK']);
    expect(await client.ask('mfffe,8')).toEqual(['0000']);
    expect(await client.ask('m10000,8')).toEqual(['E0e']);
    expect(await client.ask('M10,3:0102')).toEqual(['E16']);
  });

  it('describes the registers that there are, in pieces', async () => {
    let document = '';
    for (;;) {
      const [piece] = await client.ask(`qXfer:features:read:target.xml:${document.length.toString(16)},100`);
      document += piece.slice(1).replace(/}(.)/g, (_, escaped: string) => String.fromCharCode(escaped.charCodeAt(0) ^ 0x20));
      if (piece.startsWith('l')) break;
    }
    expect(document).toContain('<architecture>riscv:rv64</architecture>');
    expect(document.match(/<reg name="[^"]+"/g)).toHaveLength(33 + 35 + 1 + 1);
    // For LLDB.
    expect(document).toMatch(/<reg name="sp" [^>]* generic="sp" ehframe_regnum="2" dwarf_regnum="2"\/>/);
    expect(document).toMatch(/<reg name="fa0" [^>]* dwarf_regnum="42"\/>/);
    expect(document).toContain('<reg name="mstatus" bitsize="64" type="uint64" regnum="833"');
    expect(await client.ask('qXfer:features:read:other.xml:0,100')).toEqual(['E00']);
    expect((await client.ask('qXfer:threads:read::0,1000'))[0]).toContain(
      '<thread id="p1.3" core="2" name="hart 2">hart 2, user mode</thread>',
    );
  });

  it('does what the monitor commands say', async () => {
    const monitor = async (line: string): Promise<string> =>
      (await client.ask(`qRcmd,${textToHex(line)}`))
        .filter((answer) => answer.startsWith('O') && answer !== 'OK')
        .map((answer) => Buffer.from(answer.slice(1), 'hex').toString())
        .join('');
    expect(await monitor('help')).toMatch(/^help .*\n.*info registers/);
    expect(await monitor('translate $pc')).toMatch(/^translate ADDRESS: .* names of registers are not known here\.\n$/);
    expect(await monitor('info registers a0')).toMatch(/^info registers \[HART\]: /);
    expect(await monitor('nonsense')).toMatch(/no such command: "nonsense".*\nhelp/);
    expect(await monitor('info  registers 2')).toMatch(/^hart 2, user mode, pc 0{16}\n/);
    expect(await monitor('info registers 3')).toBe('There is no hart 3.\n');
    expect(await monitor('physical on')).toBe('Addresses are physical.\n');
    expect(await client.ask('qqemu.PhyMemMode')).toEqual(['1']);
    await monitor('system_reset');
    expect(target.asked.at(-1)).toBe('reset');
  });

  it('refuses politely what it cannot do', async () => {
    expect(await client.ask('vRun;program')).toEqual(['E16']);
    expect(await client.ask('vMustReplyEmpty')).toEqual(['']);
    expect(await client.ask('QNonStop:1')).toEqual(['']);
    await client.ask('qSupported:error-message+');
    expect(await client.ask('vRun;program')).toEqual([expect.stringMatching(/^E\.the machine runs what it was made with/)]);
    for (let i = 0; i < 128; i++) expect(await client.ask(`Z1,${(4 * i).toString(16)},4`)).toEqual(['OK']);
    expect(await client.ask('Z1,8000,4')).toEqual([expect.stringMatching(/^E\.there are too many/)]);
    expect(target.breakpoints).toHaveLength(128);
  });

  it('ends at once for who speaks another language, whatever that says behind', async () => {
    const other = new Client(new FakeTarget(1));
    await other.send(`POST / HTTP/1.1\r\n\r\n${encodePacket('M0,1:ff').toString('latin1')}`);
    expect([other.isClosed, other.target.state, other.target.bytes[0], other.received]).toEqual([true, 'running', 0, []]);
  });
});

// What a debugger says, to be mixed up.
const STARTS =
  '? ! g G p P m M X H T Z z c s D R v q Q vCont vCont;s vCont;r Hg p1. qXfer:features:read: qXfer:threads:read:: qRcmd, qThreadExtraInfo, Qqemu. vKill k'
    .split(' ')
    .filter((word) => word !== 'vKill' && word !== 'k');
const PIECES = ['', '0', '1', '-1', 'ffffffffffffffff', '80000000', ',', ':', ';', '=', 'p1.2', 'p0', '#', '}', '*', 'target.xml', '7d'];

it('is harmed by no malformed packet: 100,000 of them', { timeout: 120_000 }, async () => {
  let sent = 0;
  const text = fc.oneof(
    fc
      .tuple(fc.constantFrom(...STARTS), fc.array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 4 })), { maxLength: 6 }))
      .map(([start, pieces]) => start + pieces.join('')),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  );
  const packets = fc.array(fc.record({ text, how: fc.constantFrom('packet', 'packet', 'packet', 'raw', 'interrupt') }), {
    minLength: 200,
    maxLength: 200,
  });
  await fc.assert(
    fc.asyncProperty(packets, async (list) => {
      const target = new FakeTarget(2);
      let client = new Client(target);
      await client.ask('?');
      for (const { text, how } of list) {
        sent++;
        if (client.isClosed) client = new Client(target);
        await client.send(how === 'packet' ? encodePacket(text).toString('latin1') : how === 'raw' ? text : '\x03');
      }
      // It still answers, as soon as it is asked to stop.
      if (client.isClosed) client = new Client(target);
      await client.send('+$?#00\x03');
      client.received.length = 0;
      await client.ask('qqemu.Supported');
      expect(client.received.at(-1)).toBe('sstepbits;sstep;PhyMemMode');
      await client.session.end('lost');
      expect([target.breakpoints, target.watchpoints]).toEqual([[], []]);
    }),
    { numRuns: 500 },
  );
  expect(sent).toBeGreaterThanOrEqual(100_000);
});
