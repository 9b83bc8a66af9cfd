import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { VirtualMachine } from '../../engine';
import { Label } from '../support/assembler';
import { A0, T0, writeBareMetal } from '../support/bare-metal';

const folder = mkdtempSync(join(tmpdir(), 'hartbox-explained-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('an illegal instruction is explained in words, each kind once', async () => {
  const kernel = join(folder, 'illegal.elf');
  writeBareMetal(kernel, (program) => {
    const [start, handler] = [new Label(), new Label()];
    program.la(T0, handler);
    program.csrw(0x305, T0);
    program.jump(start);
    program.align(4);
    program.place(handler);
    program.csrr(T0, 0x341);
    program.addi(T0, T0, 4);
    program.csrw(0x341, T0);
    program.word(0x30200073); // mret
    program.place(start);
    program.word(0x0d0572d7); // vsetvli t0,a0,e32,m1
    program.word(0x0d0572d7);
    program.word(0x00b57553); // fadd.s fa0,fa0,fa1
    program.csrr(A0, 0x123);
    program.csrw(0xf14, T0); // mhartid
    program.exit(0);
  });
  const machine = await VirtualMachine.create({ memory: 16 << 20, kernel });
  const warnings: string[] = [];
  machine.on('warning', ({ message }) => warnings.push(message));
  await machine.start();
  await machine.wait();
  expect(warnings).toHaveLength(4);
  expect(warnings[0]).toMatch(/0x0d0572d7 at 0x80000\w+ in machine mode: it needs the extension V/);
  expect(warnings[1]).toContain('fadd.s fa0,fa0,fa1,dyn needs floating point, which is switched off: set mstatus.FS');
  expect(warnings[2]).toContain('there is no such register here (csr291)');
  expect(warnings[3]).toContain('writes mhartid, which can only be read');
});
