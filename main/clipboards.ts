import { createHash } from 'node:crypto';
import { VmError } from '../engine/errors/vm-error';
import type { Machines } from './machines';
import type { ClipboardContent, SystemClipboard } from './system-clipboard';

/** Bytes that a guest takes (CLIPBOARD_MAX of the engine), and that a box which another program runs can be told at once (FRAME_LIMITS). */
const MAX = 4 << 20;
const ELSEWHERE_MAX = 48 << 10;

/** This computer's clipboard and those of guests, where the settings of a box share it (`clipboard`). */
export class Clipboards {
  /** What each box knows of this computer's: a guest that has it gets it no second time, and keeps what else it has copied with it. */
  readonly #known = new Map<string, string>();

  constructor(
    private readonly machines: Pick<Machines, 'on' | 'call' | 'isElsewhere'>,
    private readonly clipboard: SystemClipboard,
  ) {
    machines.on('changed', ({ id, clipboard: shared }) => {
      if (!shared?.isThere) this.#known.delete(id);
    });
    machines.on('removed', (id) => this.#known.delete(id));
  }

  /** Let a guest have what is in this computer's clipboard. `asked`: by the user, who is told why it cannot. */
  async give(vm: string, asked: boolean): Promise<void> {
    const { text, png } = await this.clipboard.read();
    const digest = digestOf({ text, png });
    if (!asked && this.#known.get(vm) === digest) return;
    const max = this.machines.isElsewhere(vm) ? ELSEWHERE_MAX : MAX;
    const content = {
      ...(text !== '' && Buffer.byteLength(text) <= max && { text }),
      ...(png && png.length <= max && { png: Buffer.from(png).toString('base64') }),
    };
    if (Object.keys(content).length > 0) await this.machines.call(vm, 'clipboard-set', content);
    else if (asked) throw text !== '' || png ? tooLong(max >> 10) : nothing();
    this.#known.set(vm, digest);
  }

  /** What was copied in a guest; nobody here takes the picture apart. */
  async take(vm: string): Promise<{ text?: string | undefined; png?: Uint8Array | undefined }> {
    const { text, png } = await this.machines.call(vm, 'clipboard-get', {});
    return { text, png: png === undefined ? undefined : new Uint8Array(Buffer.from(png, 'base64')) };
  }

  /** Put into this computer's clipboard what a guest has in its own. */
  async keep(vm: string, text: string | null, png: Uint8Array | null): Promise<void> {
    await this.clipboard.write({ text: text ?? '', png: png ?? undefined });
    // As it is read again: systems keep pictures in ways of their own.
    this.#known.set(vm, digestOf(await this.clipboard.read()));
  }
}

function digestOf({ text, png }: ClipboardContent): string {
  return createHash('sha256')
    .update(text)
    .update('\0')
    .update(png ?? '')
    .digest('hex');
}

function tooLong(kib: number): VmError {
  return new VmError('Resource', `What is in the clipboard is too long for a guest: ${kib} KiB are the most.`, {
    code: 'clipboard-too-long',
    params: { kib },
  });
}

function nothing(): VmError {
  return new VmError('State', 'There is neither a text nor a picture in the clipboard of this computer.', { code: 'clipboard-empty' });
}
