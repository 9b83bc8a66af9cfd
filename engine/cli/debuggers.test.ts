import { describe, expect, it, vi } from 'vitest';
import { findDebugger } from './debuggers';

/** What each try to start a program gives. */
const host = vi.hoisted(() => ({ spawnSync: (_program: string): unknown => undefined }));
vi.mock('node:child_process', () => ({ spawnSync: (program: string) => host.spawnSync(program) }));

function failing(code: string) {
  return (program: string) => ({
    status: null,
    error: Object.assign(new Error(code), { code, syscall: `spawnSync ${program}`, path: program }),
  });
}

describe('findDebugger', () => {
  it('takes the first that can be started', () => {
    host.spawnSync = (program) => (program === 'riscv64-elf-gdb' ? { status: 0 } : failing('ENOENT')(program));
    expect(findDebugger()).toBe('riscv64-elf-gdb');
  });

  it('says what to install where there is none', () => {
    host.spawnSync = failing('ENOENT');
    expect(findDebugger).toThrow(/^No debugger for RISC-V was found\. Install one/);
  });

  it.each([
    ['EAGAIN', /^gdb-multiarch could not be started: the system has no room left for it \(EAGAIN\)/],
    ['EMFILE', /^gdb-multiarch could not be started: Hartbox has as many files open/],
    ['ENOMEM', /^gdb-multiarch could not be started: the system has no memory left/],
  ])('says so where the host starts no program: %s', (code, message) => {
    host.spawnSync = failing(code);
    expect(findDebugger).toThrow(message);
  });
});
