import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Label } from '../support/assembler';
import { writeBareMetal } from '../support/bare-metal';
import { hartbox, killHartboxes, startHartbox } from '../support/hartbox-process';

const UART = 0x10000000;

let folder: string;
let home: string;
let env: Record<string, string>;
const sources = (text: string): void => writeFileSync(join(folder, 'src', 'which.txt'), text);

/** A project whose build puts the program that a source names in the place of the kernel. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-dev-'));
  home = mkdtempSync(join(tmpdir(), 'hartbox-dev-home-'));
  env = { HARTBOX_HOME: home };
  for (const [name, letter] of [
    ['one', 'A'],
    ['two', 'B'],
  ] as const)
    writeBareMetal(join(folder, `.${name}.elf`), (program) => {
      program.poke(1, UART, letter.charCodeAt(0));
      const again = new Label();
      program.place(again);
      program.wfi();
      program.jump(again);
    });
  writeBareMetal(join(folder, '.end.elf'), (program) => program.exit(7));
  mkdirSync(join(folder, 'src'));
  const script = `const fs = require('fs'); fs.copyFileSync('.' + fs.readFileSync('src/which.txt', 'utf8') + '.elf', 'kernel.elf'); console.log('linked')`;
  writeFileSync(join(folder, 'build.cjs'), script);
  const create = ['create', 'kit', '--kernel', join(folder, 'kernel.elf'), '--firmware', 'none', '--memory', '16M'];
  const made = await hartbox([...create, '--build', `"${process.execPath}" build.cjs`, '--build-folder', folder], { env });
  expect(made).toMatchObject({ code: 0 });
});
afterEach(killHartboxes);
afterAll(() => {
  for (const path of [folder, home]) rmSync(path, { recursive: true, force: true });
});

describe('hartbox dev', () => {
  it('starts what was built; when a source is saved what is built of that; and leaves the box as it is where it cannot be', async () => {
    sources('one');
    const { child, ended, says, tells } = startHartbox(['dev', 'kit'], env);
    await says(/^A$/);
    sources('two');
    await tells(/which\.txt was saved/);
    await says(/^AB$/);
    sources('three');
    await tells(/ENOENT[\s\S]*the build failed \(exit code 1\)\.[\s\S]*the box goes on as it was/);
    sources('one');
    await says(/^ABA$/);
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 143 });
  });

  it('with --once ends as the box does, or where the build fails', async () => {
    sources('end');
    expect(await hartbox(['dev', 'kit', '--once'], { env })).toMatchObject({ code: 7 });
    sources('three');
    const failed = await hartbox(['dev', 'kit', '--once'], { env });
    expect(failed).toMatchObject({ code: 125 });
    expect(failed.stderr).toContain('The build failed (exit code 1)');
    // Nor is there anything to wait for where nothing is watched, and nobody types.
    expect(await hartbox(['set', 'kit', 'buildWatch=off'], { env })).toMatchObject({ code: 0 });
    expect(await hartbox(['dev', 'kit'], { env })).toMatchObject({ code: 125 });
  });
});
