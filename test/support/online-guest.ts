import { expect } from 'vitest';
import type { GuestShell } from './guest-shell';

/** A command of the guest's that waits for its first address by NAT. */
export const HAS_ADDRESS = 'i=0; until ip addr show eth0 | grep -q 10.0.2.15; do sleep 1; i=$((i+1)); [ $i -lt 30 ] || exit 1; done';

/** Run a command that must succeed; what it wrote. */
export async function run(shell: GuestShell, command: string): Promise<string> {
  const { status, output } = await shell.run(command);
  expect(status, `${command}: ${output}`).toBe(0);
  return output;
}

/** So many bytes, a multiple of four, of which no part is like another: one that is lost, doubled or moved is noticed. */
export function payloadOf(size: number): Buffer {
  const payload = Buffer.alloc(size);
  for (let at = 0, state = 1; at < size; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    payload.writeUInt32LE(state, at);
  }
  return payload;
}
