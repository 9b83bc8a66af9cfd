import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it, vi } from 'vitest';
import { FakeTarget } from '../../test/support/debug-target';
import type { VirtualMachine } from '../machine/virtual-machine';
import { machineConfigSchema } from '../settings/settings';
import { DebugService } from './debug-service';

const machine = { debugger: new FakeTarget(1), config: machineConfigSchema.parse({}) } as unknown as VirtualMachine;

async function visit(address: string): Promise<void> {
  const debuggerSocket = connect(Number(address.split(':')[1]), '127.0.0.1');
  await once(debuggerSocket, 'connect');
  debuggerSocket.destroy();
}

it('is listened for until a debugger has come and gone, where that was wished for, and no longer', async () => {
  const service = new DebugService(() => undefined);
  const { address } = await service.show(machine, { address: '0', once: true });
  expect(service.status).toEqual({ address, isAttached: false });
  await visit(address);
  await vi.waitFor(() => expect(service.status).toBeUndefined());
  await expect(visit(address)).rejects.toThrow('ECONNREFUSED');
});

it('stays where it was listened for before', async () => {
  const told: string[] = [];
  const service = new DebugService((what) => told.push(what));
  const { address } = await service.show(machine, { address: '0' });
  expect((await service.show(machine, { once: true })).address).toBe(address);
  await visit(address);
  await vi.waitFor(() => expect(told.at(-1)).toBe('The debugger is gone.'));
  expect(service.status).toEqual({ address, isAttached: false });
  await service.close();
});
