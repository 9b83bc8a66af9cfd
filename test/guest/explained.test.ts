import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, it } from 'vitest';
import { VirtualMachine } from '../../engine';
import { Label } from '../support/assembler';
import { A0, RAM, S0, T0, writeBareMetal } from '../support/bare-metal';
import { killHartboxes, startHartbox } from '../support/hartbox-process';

const folder = mkdtempSync(join(tmpdir(), 'hartbox-explained-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(killHartboxes);

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

it('what harts execute is traced from a symbol on, in order with their traps', async () => {
  const kernel = join(folder, 'traced.elf');
  const symbols: Record<string, number> = {};
  writeBareMetal(
    kernel,
    (program) => {
      const handler = new Label();
      program.la(T0, handler);
      program.csrw(0x305, T0);
      program.li(S0, 300_000);
      const { again } = program.loop();
      const done = new Label();
      program.addi(S0, S0, -1);
      program.branch('beq', S0, 0, done);
      again();
      // The trap comes from a page of its own: what is near the symbol runs slowly.
      program.align(4096);
      program.place(done);
      program.word(0x00000073); // ecall
      program.align(4);
      program.place(handler);
      symbols['handler'] = RAM + program.offset;
      program.csrr(A0, 0x342);
      program.exit(5);
    },
    { parts: [], symbols },
  );
  const run = async (from: string): Promise<{ code: number | null; stderr: string }> =>
    startHartbox(['run', '--kernel', kernel, '--firmware', 'none', '--trace', 'exec,trap', '--trace-from', from]).ended;
  const { code, stderr } = await run('handler');
  expect(code).toBe(5);
  expect(stderr.match(/^(exec|trap).*$/gm)?.slice(0, 3)).toEqual([
    expect.stringMatching(/^trap hart 0 exception 11 pc 0x80001000$/),
    expect.stringMatching(/^exec hart 0 M 0000000080001004 34202573 csrrs a0,mcause,zero +<handler> a0=000000000000000b$/),
    expect.stringMatching(/^exec hart 0 M 0000000080001008 001002b7 lui t0,0x100 +<handler\+0x4> t0=0000000000100000$/),
  ]);
  const early = await run('0x80001000');
  expect(early.stderr.match(/^(exec|trap).*$/gm)?.slice(0, 2)).toEqual([
    expect.stringMatching(/^exec hart 0 M 0000000080001000 00000073 ecall$/),
    expect.stringMatching(/^trap hart 0 exception 11 pc 0x80001000$/),
  ]);
  const nowhere = await run('elsewhere');
  expect(nowhere).toMatchObject({ code: 125, stderr: expect.stringContaining('There is no symbol "elsewhere" to trace from') });
});
