import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { boxView } from '../test/support/box-view';
import type { VmState, VmView } from './contract';
import { Microphones } from './microphones';

function setUp({ answer = 0, system = true, hasWindow = true } = {}) {
  const questions: string[] = [];
  const state: VmState = 'running';
  const machines: EventEmitter & { state: VmState; list: () => Promise<VmView[]> } = Object.assign(new EventEmitter(), {
    state,
    list: () => Promise.resolve([boxView({ id: 'one', name: 'Desk', state: machines.state })]),
  });
  let asking: (() => void) | undefined;
  const microphones = new Microphones({
    machines: machines as never,
    dialog: {
      showMessageBox: ((_window: unknown, { message }: { message: string }) => {
        questions.push(message);
        return new Promise((resolve) => {
          asking = () => resolve({ response: answer, checkboxChecked: false });
        });
      }) as never,
    },
    systemPreferences: { askForMediaAccess: () => Promise.resolve(system) },
    window: () => (hasWindow ? ({} as never) : undefined),
    locale: () => 'en',
  });
  const become = (state: VmState): void => {
    machines.state = state;
    machines.emit('changed', boxView({ id: 'one', state }));
  };
  const allow = async (): Promise<boolean> => {
    const allowed = microphones.allow('one', true);
    await new Promise(setImmediate);
    asking?.();
    return allowed;
  };
  return { microphones, questions, become, allow, answerNow: () => asking?.() };
}

describe('the microphone', () => {
  it('is heard by a box whose user agrees, until it is off, asked once', async () => {
    const { microphones, questions, become, allow } = setUp();
    expect(microphones.isAllowed).toBe(false);
    expect([await allow(), await allow()]).toEqual([true, true]);
    expect([microphones.isAllowed, questions]).toEqual([true, ['Let “Desk” hear the microphone?']]);
    become('paused');
    expect(microphones.isAllowed).toBe(true);
    become('off');
    expect(microphones.isAllowed).toBe(false);
    expect(await allow()).toBe(false);
    become('running');
    expect(await allow()).toBe(true);
    expect(questions).toHaveLength(2);
    expect(await microphones.allow('one', false)).toBe(false);
    expect(microphones.isAllowed).toBe(false);
  });

  it.each([{ answer: 1 }, { system: false }, { hasWindow: false }])('is not heard with %o', async (how) => {
    const { microphones, allow } = setUp(how);
    expect([await allow(), microphones.isAllowed]).toEqual([false, false]);
  });

  it('is not heard by a box that ended while the question was open, and one question is open at a time', async () => {
    const { microphones, become, questions, answerNow } = setUp();
    const first = microphones.allow('one', true);
    await new Promise(setImmediate);
    expect(await microphones.allow('one', true)).toBe(false);
    become('off');
    answerNow();
    expect([await first, microphones.isAllowed, questions.length]).toEqual([false, false, 1]);
    expect(await microphones.allow('another', true)).toBe(false);
  });
});
