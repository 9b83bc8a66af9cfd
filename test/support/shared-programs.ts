import type { GuestMemory } from '../../engine/memory/guest-memory';
import { SplitQueue } from '../../engine/virtio/split-queue';
import { Label } from './assembler';
import { iType, rType } from './riscv-encoding';
import { Code, DEVICE, DOORBELL, FENCE, FENCE_I, RAM } from './threaded-machine';

/** Programs in which threads hand each other more than words: code, and rings. Each ends with a store to the device: how often it went wrong. */

const DATA = RAM + 0x10000;
const FUNCTION = RAM + 0x20000;
const FENCE_W_W = 0x0110000f;
const FENCE_R_R = 0x0220000f;
const RET = 0x8067;
const [RA, T0, T1, T2, S0, S1, A0, A1, A2, A3, S2] = [1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 18];

/**
 * Hart 0 writes lui a0, n over a function for each n and says so in a word, waiting for nobody. The others call the function all the time:
 * after a look at the word and fence.i they must get no less than what it said.
 */
export function changingCode(rounds: number, callers: number): Code {
  const c = new Code();
  const [writer, call, good, round, wait, delay] = [new Label(), new Label(), new Label(), new Label(), new Label(), new Label()];
  const LUI_A0 = 0x537;
  c.li(S0, DATA);
  c.li(S1, FUNCTION);
  c.li(A2, rounds);
  c.addi(A1, 0, 1);
  c.word(iType(0x73, 2, T0, 0, 0xf14));
  c.branch(0, T0, 0, writer);
  // Words: what was said, errors, harts that are done; lines of their own.
  c.place(call);
  c.load(T1, S0);
  c.word(FENCE_I);
  c.word(iType(0x67, 0, RA, S1, 0));
  c.word(iType(0x13, 5, A0, A0, 12));
  c.branch(7, A0, T1, good);
  c.addi(T2, S0, 64);
  c.word(rType(0x2f, 2, 0, 0, T2, A1));
  c.place(good);
  c.branch(6, T1, A2, call);
  c.addi(T2, S0, 128);
  c.word(rType(0x2f, 2, 3, 0, T2, A1));
  c.sleep();
  c.place(writer);
  c.li(A3, 0);
  c.place(round);
  c.addi(A3, A3, 1);
  c.word(iType(0x13, 1, T0, A3, 12));
  c.addi(T0, T0, LUI_A0);
  c.store(T0, S1);
  c.word(FENCE_W_W);
  c.store(A3, S0);
  // Up to some thousand instructions, in some order.
  c.word(rType(0x33, 0, 1, T0, A3, A3));
  c.word(iType(0x13, 7, T0, T0, 1023));
  c.place(delay);
  c.addi(T0, T0, -1);
  c.branch(5, T0, 0, delay);
  c.branch(6, A3, A2, round);
  c.place(wait);
  c.load(T0, S0, 128);
  c.addi(T1, 0, callers);
  c.branch(1, T0, T1, wait);
  c.word(FENCE);
  c.load(T0, S0, 64);
  c.li(T1, DEVICE);
  c.store(T0, T1);
  c.sleep();
  while (c.offset < FUNCTION - RAM) c.word(0);
  c.word(LUI_A0);
  c.word(RET);
  return c;
}

const [TABLE, AVAILABLE, USED, BUFFER] = [DATA, DATA + 0x1000, DATA + 0x2000, DATA + 0x3000];
const SIZE = 8;

/**
 * A driver of a split ring that hands over one buffer after the other, each with its number, and rings only when the device asks for it
 * (VIRTIO_F_EVENT_IDX). Who misses a buffer, or the wish to be rung for, waits for ever.
 */
export function ringProgram(rounds: number) {
  const c = new Code();
  const [round, quiet, used, good] = [new Label(), new Label(), new Label(), new Label()];
  c.li(S0, AVAILABLE);
  c.li(S1, USED);
  c.li(S2, BUFFER);
  c.li(A2, rounds);
  c.li(A1, DEVICE);
  c.addi(A3, 0, 0);
  c.addi(A0, 0, 0);
  // Descriptor 0, one word to read, leads to 1, one to write.
  c.li(T0, TABLE);
  for (const [i, flags] of [
    [0, 1],
    [1, 2],
  ]) {
    c.li(T1, BUFFER + 64 * i);
    c.store(T1, T0, 16 * i, 2);
    c.addi(T1, 0, 4);
    c.store(T1, T0, 16 * i + 8);
    c.addi(T1, 0, flags);
    c.store(T1, T0, 16 * i + 12, 1);
    c.addi(T1, 0, 1);
    c.store(T1, T0, 16 * i + 14, 1);
  }
  c.place(round);
  c.addi(A3, A3, 1);
  c.store(A3, S2);
  c.word(FENCE_W_W);
  c.store(A3, S0, 2, 1);
  c.word(FENCE);
  // Ring if the device's event is the index before.
  c.load(T0, S1, 4 + 8 * SIZE, 5);
  c.addi(T1, A3, -1);
  c.word(rType(0x33, 4, 0, T0, T0, T1));
  c.word(iType(0x13, 1, T0, T0, 48));
  c.branch(1, T0, 0, quiet);
  c.store(0, A1, DOORBELL);
  c.place(quiet);
  c.place(used);
  c.load(T0, S1, 2, 5);
  c.word(rType(0x33, 4, 0, T0, T0, A3));
  c.word(iType(0x13, 1, T0, T0, 48));
  c.branch(1, T0, 0, used);
  c.word(FENCE_R_R);
  c.load(T0, S2, 64);
  c.branch(0, T0, A3, good);
  c.addi(A0, A0, 1);
  c.place(good);
  c.branch(6, A3, A2, round);
  c.store(A0, A1);
  c.sleep();

  let queue: SplitQueue | undefined;
  let expected = 0;
  let differences = 0;
  return {
    code: c,
    /** What the device found in buffers other than their numbers. */
    differences: () => differences,
    serve: (memory: GuestMemory): void => {
      queue ??= new SplitQueue(
        memory,
        {
          ring: 'split',
          size: SIZE,
          descriptors: TABLE,
          driver: AVAILABLE,
          device: USED,
          nextAvailable: 0,
          nextUsed: 0,
          indirect: false,
          eventIndex: true,
          inOrder: false,
        },
        () => {},
      );
      queue.start();
      for (let chain = queue.take(); chain; chain = queue.take()) {
        const number = memory.data.getUint32(memory.offsetOf(BUFFER, 4), true);
        if (number !== ++expected) differences++;
        memory.data.setUint32(memory.offsetOf(BUFFER + 64, 4, true), number, true);
        queue.complete(chain, 4);
      }
    },
  };
}
