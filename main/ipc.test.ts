import { describe, expect, it, vi } from 'vitest';
import { VmError } from '../engine/bus/vm-error';
import { type RequestHandlers, answerRequest } from './ipc';

function handlers(): { [N in keyof RequestHandlers]: ReturnType<typeof vi.fn> } & RequestHandlers {
  const made = new Map<string, ReturnType<typeof vi.fn>>();
  return new Proxy({} as ReturnType<typeof handlers>, {
    get(_target, name: string) {
      if (!made.has(name)) made.set(name, vi.fn());
      return made.get(name);
    },
  });
}
const page = { url: 'app://hartbox/index.html', isMainFrame: true };

describe('answerRequest', () => {
  it('passes valid requests of the app page on and returns the answer', async () => {
    const known = handlers();
    known['clipboard.read'].mockResolvedValue('text');
    expect(await answerRequest(known, 'clipboard.read', page, [])).toEqual({ ok: true, value: 'text' });
    await answerRequest(known, 'vm.start', page, ['hartbox-linux']);
    expect(known['vm.start']).toHaveBeenCalledWith('hartbox-linux');
  });

  it.each([
    [{ url: 'https://example.org/', isMainFrame: true }],
    [{ url: 'app://hartbox.example.org/', isMainFrame: true }],
    [{ url: 'app://hartbox/index.html', isMainFrame: false }],
    [{ url: undefined, isMainFrame: true }],
  ])('refuses %j', async (sender) => {
    const known = handlers();
    expect(await answerRequest(known, 'vm.start', sender, ['hartbox-linux'])).toMatchObject({ ok: false, error: { kind: 'Internal' } });
    expect(known['vm.start']).not.toHaveBeenCalled();
  });

  it.each([[[]], [['../../etc']], [['a', 'b']], [[{}]], [['']], [['A']], [[null]]])('refuses a VM named %j', async (args) => {
    const known = handlers();
    expect(await answerRequest(known, 'vm.force-off', page, args)).toMatchObject({ ok: false });
    expect(known['vm.force-off']).not.toHaveBeenCalled();
  });

  it('reports failures as data, with kind and cause but no stack in the message', async () => {
    const known = handlers();
    known['vm.start'].mockRejectedValue(new VmError('Resource', 'No room.', { cause: new Error('ENOSPC') }));
    expect(await answerRequest(known, 'vm.start', page, ['vm'])).toEqual({
      ok: false,
      error: { kind: 'Resource', message: 'No room.', details: 'Error: ENOSPC' },
    });
  });
});
