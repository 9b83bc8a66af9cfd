import { expect, it } from 'vitest';
import { VmError } from '../errors/vm-error';
import type { ControlClient } from './control-client';
import { reloadSettings } from './reload-settings';

const answering = (answer: () => Promise<unknown>): ControlClient => ({ call: answer }) as unknown as ControlClient;
const failing = (code: string): ControlClient => answering(() => Promise.reject(new VmError('State', 'It said no.', { code })));

it('is no failure where the box has ended meanwhile, or is still being prepared: what is saved counts from its next start', async () => {
  expect(await reloadSettings(failing('control-closed'))).toBe('ended');
  expect(await reloadSettings(failing('box-not-running'))).toBe('ended');
  expect(await reloadSettings(failing('box-being-prepared'))).toBe('starting');
});

it('says that the settings are saved where they could not be taken over', async () => {
  const failure = reloadSettings(failing('priority-refused'));
  await expect(failure).rejects.toThrow('The settings are saved, but the box that runs could not take all of them over: It said no.');
  await expect(failure).rejects.toMatchObject({ kind: 'State', code: 'priority-refused' });
  const answer = { live: ['priority'], restart: [] };
  expect(await reloadSettings(answering(() => Promise.resolve(answer)))).toBe(answer);
});
