import { asVmError } from '../../errors/system-error';
import { Documents } from './documents';
import { HartControl, type Stop } from './hart-control';
import { EFAULT, EINVAL, readMemory, writeMemory } from './memory';
import { monitor, type MonitorContext } from './monitor';
import { encodePacket, fromHex, PacketParser, parseSmall, textToHex } from './packet';
import { readGeneral, readRegister, stopReply, writeGeneral, writeRegister } from './registers';
import { parseContinue, type Resumption } from './resume';
import { StopPoints } from './stop-points';
import type { DebugTarget } from './target';
import { describeHart, parseThread, threadId } from './threads';

/** Bytes of a packet's payload, both ways. */
export const PACKET_BYTES = 0x4000;
/** Memory of one reply, whose bytes are two digits each. */
const MEMORY_MOST = PACKET_BYTES / 2 - 16;
/** Characters of text in one packet of a monitor command's output. */
const TEXT_MOST = 1024;
/** gdb's registers go to 4161. */
const REGISTER_MOST = 0xffff;

const FEATURES = [
  `PacketSize=${PACKET_BYTES.toString(16)}`,
  'QStartNoAckMode+',
  'multiprocess+',
  'vContSupported+',
  'swbreak+',
  'hwbreak+',
  'qXfer:features:read+',
  'qXfer:threads:read+',
  'error-message+',
];

/** How a session ends: the debugger said so; it went away; the machine is off. */
export type SessionEnd = 'detached' | 'lost' | 'off';

/**
 * A debugger's session on the GDB remote protocol (GDB manual, appendix E), in its all-stop mode: while the debugger looks, all harts stand.
 * Nothing that it sends does more than it may: what is malformed or unknown is answered and otherwise ignored.
 */
export class GdbSession {
  private readonly parser = new PacketParser(PACKET_BYTES);
  private readonly points: StopPoints;
  private readonly control: HartControl;
  private readonly documents: Documents;
  private hasAcks = true;
  private lastSent: Buffer | undefined;
  /** What the client says that it understands. */
  private told = { multiprocess: false, swbreak: false, hwbreak: false, errors: false };
  private isOver = false;
  private hasBegun = false;
  /** Whether the machine is to go on when the debugger leaves. */
  private goesOn = false;
  private isPhysical = false;
  /** The harts that `g` and others mean, and `c` and others: -1 for all. */
  private hart = 0;
  private resumedHart = -1;
  private readonly onExit = ({ code }: { code: number }): void => this.machineEnded(code);

  constructor(
    private readonly target: DebugTarget,
    /** `ready`: from when on the machine can be looked at. */
    private readonly line: { send: (bytes: Uint8Array) => void; close: () => void; ready?: Promise<unknown> },
  ) {
    this.points = new StopPoints(target);
    this.control = new HartControl(target, this.points, (hart, stop) => {
      this.hart = hart;
      this.documents.forgetThreads();
      this.send(this.stopReply(hart, stop));
    });
    this.documents = new Documents(target, (hart) => this.id(hart), MEMORY_MOST);
    target.events.on('exit', this.onExit);
  }

  /** Do what comes from the client; resolves when it may go on. */
  async receive(chunk: Uint8Array): Promise<void> {
    for (const event of this.parser.push(chunk)) {
      if (this.isOver) return;
      switch (event.kind) {
        case 'packet':
          if (this.hasAcks) this.line.send(Buffer.from(event.isSound ? '+' : '-'));
          if (event.isSound || !this.hasAcks) await this.answer(event.payload);
          break;
        case 'overlong':
          if (this.hasAcks) this.line.send(Buffer.from('+'));
          this.send(this.failure(EINVAL, `the packet is longer than ${PACKET_BYTES} bytes`));
          break;
        case 'nack':
          if (this.hasAcks && this.lastSent) this.line.send(this.lastSent);
          break;
        case 'interrupt':
          await this.control.interrupt(this.hart);
          break;
        case 'ack':
          break;
        case 'stray':
          // No debugger begins like that: a browser or another program that was sent to the wrong port, or means no good.
          if (this.hasBegun) break;
          await this.end('lost');
          this.line.close();
      }
    }
  }

  /** The client has gone; the machine goes on as if it had never been there. */
  async end(how: SessionEnd): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    this.target.events.off('exit', this.onExit);
    const settled = this.control.close();
    if (!this.hasBegun || how === 'off') return;
    try {
      await settled;
      const mayGoOn = this.goesOn || how === 'detached';
      if (this.target.state === 'running') {
        if (this.points.isEmpty && !this.control.holdsSome) return;
        // A hart that came to its stop at this moment has done so already.
        await this.target.pause().catch(() => undefined);
      }
      this.points.clear();
      if (mayGoOn) await this.target.go();
    } catch {
      // It has ended meanwhile.
    }
  }

  private async answer(payload: string): Promise<void> {
    this.hasBegun = true;
    let reply: string | undefined;
    try {
      reply = this.control.isRunning ? this.failure(EINVAL, 'the harts run') : await this.perform(payload);
    } catch (error) {
      reply = this.failure(EFAULT, asVmError(error).message);
    }
    if (reply !== undefined) this.send(reply);
  }

  private send(payload: string): void {
    const packet = encodePacket(payload);
    this.lastSent = packet;
    this.line.send(packet);
  }

  /** Newer clients show the words. */
  private failure(code: number, words: string): string {
    return this.told.errors ? `E.${words.replace(/[#$}*]/g, ' ')}` : `E${code.toString(16).padStart(2, '0')}`;
  }

  /** Undefined: there is no answer, or it comes later. Empty: this is not understood. */
  private async perform(payload: string): Promise<string | undefined> {
    await this.hold();
    const rest = payload.slice(1);
    const { target, hart } = this;
    switch (payload[0]) {
      case '?':
        return this.stopReply(hart, { reason: 'step', pc: target.registers(hart).pc });
      case '!':
        return 'OK';
      case 'g':
        return readGeneral(target, hart);
      case 'G':
        return writeGeneral(target, hart, rest) ? 'OK' : this.failure(EINVAL, 'these are no registers');
      case 'p':
        return this.readRegister(rest);
      case 'P':
        return this.writeRegister(rest);
      case 'm':
        return this.memoryReply(readMemory(target, this.space, rest, MEMORY_MOST));
      case 'M':
      case 'X':
        return this.memoryReply(writeMemory(target, this.space, rest, payload[0] === 'X') ?? 'OK');
      case 'H':
        return this.selectHart(rest);
      case 'T':
        return parseThread(rest, target.harts) === undefined ? this.failure(EINVAL, 'there is no such thread') : 'OK';
      case 'Z':
      case 'z':
        return this.changePoint(payload[0] === 'Z', rest);
      case 'c':
      case 'C':
      case 's':
      case 'S':
        return this.resumeOldStyle(payload);
      case 'D':
        await this.end('detached');
        this.send('OK');
        this.line.close();
        return undefined;
      case 'k':
        this.kill();
        return undefined;
      case 'R':
        await target.reset();
        this.control.forget();
        return undefined;
      case 'v':
        return this.performVerbose(payload);
      case 'q':
      case 'Q':
        return this.performQuery(payload);
      default:
        return '';
    }
  }

  /** Before the first packet, and where somebody else has let the machine go on meanwhile. */
  private async hold(): Promise<void> {
    const { target } = this;
    await this.line.ready;
    if (target.state === 'running') {
      this.goesOn = true;
      await target.pause();
    }
    await target.prepare();
  }

  private get space(): 'physical' | { hart: number } {
    return this.isPhysical ? 'physical' : { hart: this.hart };
  }

  private readRegister(text: string): string {
    const number = parseSmall(text, REGISTER_MOST);
    const value = number === undefined ? undefined : readRegister(this.target, this.hart, number);
    return value ?? this.failure(EFAULT, 'there is no such register');
  }

  private writeRegister(text: string): string {
    const [numberText, value = ''] = text.split('=', 2);
    const number = parseSmall(numberText, REGISTER_MOST);
    const isDone = number !== undefined && writeRegister(this.target, this.hart, number, value);
    return isDone ? 'OK' : this.failure(EFAULT, 'there is no such register that can be written');
  }

  private memoryReply(reply: string | number): string {
    if (typeof reply === 'string') return reply;
    // Whoever reads memory takes only errors with numbers for errors.
    return `E${reply.toString(16).padStart(2, '0')}`;
  }

  private selectHart(text: string): string {
    const named = parseThread(text.slice(1), this.target.harts);
    if (named === undefined) return this.failure(EINVAL, 'there is no such thread');
    if (text[0] === 'g') {
      if (typeof named === 'number') this.hart = named;
    } else if (text[0] === 'c') this.resumedHart = typeof named === 'number' ? named : -1;
    else return '';
    return 'OK';
  }

  private changePoint(insert: boolean, text: string): string {
    const result = this.points.change(insert, text);
    if (result === undefined) return '';
    if (result === 'OK') return result;
    return this.failure(EINVAL, result === 'malformed' ? 'this is no place to stop at' : 'there are too many breakpoints or watchpoints');
  }

  // ---- going on and stopping ------------------------------------------------------------------------------------------

  private resumeOldStyle(payload: string): string | undefined {
    const { target, resumedHart } = this;
    const [, , addressText] = /^(?:[cs]|[CS][0-9a-f]{2}(;)?)([0-9a-f]{0,16})$/i.exec(payload) ?? [];
    if (addressText === undefined) return this.failure(EINVAL, 'this is no way to go on');
    const action = /^c/i.test(payload) ? 'run' : 'step';
    const main = resumedHart < 0 ? this.hart : resumedHart;
    if (addressText !== '') target.registers(main).pc = BigInt(`0x${addressText}`);
    const others = resumedHart < 0 ? 'run' : 'stay';
    const actions = Array.from({ length: target.harts }, (_, hart) => (hart === main ? action : others));
    this.resume({ actions });
    return undefined;
  }

  private resume(resumption: Resumption): void {
    this.goesOn = true;
    this.control.resume(resumption);
  }

  private stopReply(hart: number, stop: Stop): string {
    const why = stop.reason === 'interrupt' ? '' : this.points.describe(stop, this.told);
    return stopReply(this.target.registers(hart), { isInterrupt: stop.reason === 'interrupt', thread: this.id(hart), core: hart, why });
  }

  private kill(): void {
    this.line.close();
    void this.target.stop();
  }

  private machineEnded(code: number): void {
    if (this.control.isRunning) this.send(`W${(code & 0xff).toString(16).padStart(2, '0')}${this.told.multiprocess ? ';process:1' : ''}`);
    void this.end('off');
    this.line.close();
  }

  // ---- packets with names ---------------------------------------------------------------------------------------------

  private performVerbose(payload: string): string | undefined {
    if (payload === 'vCont?') return 'vCont;c;C;s;S;r';
    if (payload.startsWith('vCont;')) {
      const resumption = parseContinue(payload.slice('vCont'.length), this.target.harts);
      if (!resumption || resumption.actions.every((action) => action === 'stay')) return this.failure(EINVAL, 'no hart is to go on');
      this.resume(resumption);
      return undefined;
    }
    if (payload.startsWith('vKill;')) {
      this.send('OK');
      this.kill();
      return undefined;
    }
    if (payload.startsWith('vRun;')) return this.failure(EINVAL, 'the machine runs what it was made with; "monitor reset" starts it again');
    if (payload.startsWith('vAttach;')) return this.failure(EINVAL, 'the debugger is attached to the machine already');
    return '';
  }

  private async performQuery(payload: string): Promise<string | undefined> {
    const [, name, rest] = /^(.[A-Za-z.]*)(.*)$/s.exec(payload) ?? ['', '', ''];
    const { target } = this;
    const first = rest.slice(1);
    switch (name) {
      case 'qSupported':
        return this.agree(first);
      case 'QStartNoAckMode':
        this.send('OK');
        this.hasAcks = false;
        return undefined;
      case 'qAttached':
        return '1';
      case 'qC':
        return `QC${this.id(this.hart)}`;
      case 'qfThreadInfo':
        return `m${Array.from({ length: target.harts }, (_, hart) => this.id(hart)).join(',')}`;
      case 'qsThreadInfo':
        return 'l';
      case 'qThreadExtraInfo': {
        const hart = parseThread(first, target.harts);
        if (typeof hart !== 'number') return this.failure(EINVAL, 'there is no such thread');
        return textToHex(describeHart(hart, target.registers(hart)));
      }
      case 'qXfer':
        return this.documents.read(first);
      case 'qRcmd':
        return this.monitor(first);
      case 'qHostInfo':
        return `triple:${textToHex('riscv64-unknown-unknown-elf')};endian:little;ptrsize:8;watchpoint_exceptions_received:before;`;
      default:
        return this.performQemu(payload);
    }
  }

  /** What QEMU has beside the protocol. Interrupts always wait while a hart steps, as they do there unless it is told otherwise. */
  private performQemu(payload: string): string {
    const [, physical] = /^Qqemu\.PhyMemMode:([01])$/.exec(payload) ?? [];
    if (physical !== undefined) this.isPhysical = physical === '1';
    if (physical !== undefined || /^[qQ]qemu\.sstep[=:](0x)?7$/.test(payload)) return 'OK';
    if (payload === 'qqemu.Supported') return 'sstepbits;sstep;PhyMemMode';
    if (payload === 'qqemu.sstepbits') return 'ENABLE=1,NOIRQ=2,NOTIMER=4';
    if (payload === 'qqemu.sstep') return '0x7';
    if (payload === 'qqemu.PhyMemMode') return this.isPhysical ? '1' : '0';
    return /^Qqemu\./.test(payload) ? this.failure(EINVAL, 'this cannot be set so') : '';
  }

  private agree(features: string): string {
    const theirs = new Set(features.split(';'));
    this.told = {
      multiprocess: theirs.has('multiprocess+'),
      swbreak: theirs.has('swbreak+'),
      hwbreak: theirs.has('hwbreak+'),
      errors: theirs.has('error-message+'),
    };
    return FEATURES.join(';');
  }

  private async monitor(text: string): Promise<string> {
    const bytes = fromHex(text);
    if (!bytes) return this.failure(EINVAL, 'this is no command');
    const context: MonitorContext = {
      target: this.target,
      hart: this.hart,
      isPhysical: () => this.isPhysical,
      setPhysical: (on) => {
        this.isPhysical = on;
      },
    };
    const printed = await monitor(context, Buffer.from(bytes).toString('utf8'));
    this.documents.forgetThreads();
    for (let at = 0; at < printed.length; at += TEXT_MOST) this.send(`O${textToHex(printed.slice(at, at + TEXT_MOST))}`);
    return 'OK';
  }

  private id(hart: number): string {
    return threadId(hart, this.told.multiprocess);
  }
}
