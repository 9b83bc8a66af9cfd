import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { type Page, expect } from '@playwright/test';
import { HTIF_WORDS, writeBareMetal } from '../support/bare-metal';
import { buildElf } from '../support/elf-builder';
import { test } from './support/test';

/** A disc as far as one looks: the volume descriptor of ISO 9660. */
async function makeIso(path: string): Promise<string> {
  const bytes = Buffer.alloc(64 * 1024);
  bytes.write('CD001', 16 * 2048 + 1, 'latin1');
  await writeFile(path, bytes);
  return path;
}

/** Let go of a file above the page, as a file manager does. */
async function drop(page: Page, file: string): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [file], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await session.send('Input.dispatchDragEvent', { type, x: 500, y: 400, data });
}

test('makes a box by keyboard alone, starts it, and shows it in the library', async ({ app }) => {
  const { page } = app;
  await expect(app.library.heading).toBeVisible();
  await page.keyboard.press('Control+N');
  await expect(page.getByRole('radio', { name: 'Built-in Linux' })).toBeFocused();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('textbox', { name: 'Name' })).toBeFocused();
  await expect(page.getByRole('textbox', { name: 'Name' })).toHaveValue('Linux');
  await page.keyboard.press('Control+A');
  await page.keyboard.type('By keyboard');
  await page.keyboard.press('Tab');
  await expect(page.getByRole('textbox', { name: 'Harts' })).toBeFocused();
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  await app.machine.shell();
  await app.machine.back.click();
  await expect(app.library.card('By keyboard').state).toHaveText('Running');
});

test('recommends what suits this computer, and takes it with one click', async ({ app }) => {
  const { page } = app;
  await page.getByRole('link', { name: 'New box' }).click();
  await expect(page.getByText('Recommended for this computer')).toHaveCount(2);
  await page.getByRole('textbox', { name: 'Memory' }).fill('96');
  await page.getByRole('combobox', { name: 'Unit' }).selectOption('MB');
  await page.getByRole('textbox', { name: 'Memory' }).fill('96');
  await page.getByRole('button', { name: /^Recommended: .* for this computer ?: Memory$/ }).click();
  await expect(page.getByText('Recommended for this computer')).toHaveCount(2);
});

test('says what is wrong beside the field, and puts the keyboard there; nothing is made', async ({ app, home }) => {
  const { page } = app;
  await page.getByRole('link', { name: 'New box' }).click();
  await page.getByRole('radio', { name: 'ISO image' }).check();
  await expect(page.getByRole('switch', { name: 'New disk' })).toBeChecked();
  await expect(page.getByRole('alert')).toHaveCount(0);
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await expect(page.getByRole('textbox', { name: 'ISO image' })).toBeFocused();
  await expect(page.getByRole('alert')).toHaveText('Expected the path of a file, but there is none.');
  await page.getByRole('radio', { name: 'Built-in Linux' }).check();
  await page.getByRole('textbox', { name: 'Harts' }).fill('99');
  await expect(page.getByRole('alert')).toHaveText("Expected a whole number from 1 to 16, not '99'.");
  // What stands behind the disclosure is opened.
  await page.getByRole('textbox', { name: 'Harts' }).fill('2');
  await page.getByRole('button', { name: /^Expert/ }).click();
  await page.getByRole('combobox', { name: 'Firmware', exact: true }).selectOption({ label: 'U-Boot' });
  await page.getByRole('button', { name: /^Expert/ }).click();
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await expect(page.getByRole('combobox', { name: 'Firmware', exact: true })).toBeFocused();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(app.library.heading).toBeVisible();
  expect((await readdir(join(home.path, 'machines'))).filter((name) => !name.startsWith('.'))).toEqual(['hartbox-linux']);
});

test('starts from what is dropped, as its contents say', async ({ app, home }) => {
  const { page } = app;
  const iso = await makeIso(join(home.path, 'Setup disc.img'));
  await expect(app.library.card('Hartbox Linux').state).toHaveText('Off');
  await drop(page, iso);
  await expect(page.getByRole('radio', { name: 'ISO image' })).toBeChecked();
  await expect(page.getByRole('textbox', { name: 'ISO image' })).toHaveValue(iso);
  await expect(page.getByRole('textbox', { name: 'Name' })).toHaveValue('Setup disc');
  const program = join(home.path, 'hello.elf');
  const elf = Buffer.alloc(128);
  elf.write('\x7fELF\x02\x01\x01', 'latin1');
  elf.writeUInt16LE(243, 18);
  elf.writeBigUInt64LE(0x80000000n, 24);
  await writeFile(program, elf);
  await drop(page, program);
  await expect(page.getByRole('radio', { name: 'Program' })).toBeChecked();
  await expect(page.getByRole('textbox', { name: 'Program' })).toHaveValue(program);
  await page.getByRole('radio', { name: 'ISO image' }).check();
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await expect(app.library.card('Setup disc').state).toHaveText('Off');
  const { hardware, boot } = JSON.parse(await readFile(home.machineFile('setup-disc'), 'utf8'));
  expect(boot).toEqual({ source: 'disk' });
  expect(hardware.drives).toEqual([{ file: iso, media: 'cdrom' }, { file: 'disk.qcow2' }]);
});

/** Prints Hi on the UART and waits for ever: lui t0, 0x10000; li t1, c; sb t1, 0(t0). */
function greeting(): Uint8Array {
  const words = [
    0x100002b7,
    ...[...'Hi'].flatMap((letter) => [0x00000313 | (letter.charCodeAt(0) << 20), 0x00628023]),
    0x10500073,
    0x0000006f,
  ];
  return buildElf({ entry: 0x80000000, parts: [{ address: 0x80000000, bytes: new Uint8Array(Uint32Array.from(words).buffer) }] });
}

test('makes a box of everything that can be started; kernel and program run', async ({ app, home }) => {
  const { page } = app;
  const guest = join(home.path, 'default-guest');
  const { folder } = JSON.parse(await readFile(join(guest, 'guest.json'), 'utf8')) as { folder: string };
  const files = {
    'Disk image': join(home.path, 'System.img'),
    'ISO image': await makeIso(join(home.path, 'Setup.iso')),
    Kernel: join(guest, folder, 'kernel'),
    Program: join(home.path, 'greeting.elf'),
  };
  await writeFile(files['Disk image'], Buffer.alloc(1 << 20));
  await writeFile(files.Program, greeting());
  const expected = {
    'Disk image': { boot: { source: 'disk' }, hardware: { drives: [{ file: files['Disk image'] }] } },
    'ISO image': { boot: { source: 'disk' }, hardware: { drives: [{ file: files['ISO image'], media: 'cdrom' }, { file: 'disk.qcow2' }] } },
    Kernel: { boot: { source: 'kernel', kernel: files.Kernel } },
    Program: { boot: { source: 'elf', kernel: files.Program } },
  };
  // Its last words, which stay in sight: it has no file system to go on with.
  const shown = { Kernel: 'Unable to mount root fs', Program: 'Hi' };
  for (const [what, file] of Object.entries(files) as [keyof typeof files, string][]) {
    await page.getByRole('link', { name: 'New box' }).click();
    await page.getByRole('radio', { name: what }).check();
    await page.getByRole('textbox', { name: what, exact: true }).fill(file);
    await page.getByRole('textbox', { name: 'Name' }).fill(`From ${what}`);
    const runs = what === 'Kernel' || what === 'Program';
    await page.getByRole('button', { name: runs ? 'Create and start' : 'Create', exact: true }).click();
    if (runs) {
      await expect(app.machine.screen).toContainText(shown[what], { timeout: 60_000 });
      await app.machine.back.click();
    }
    await expect(app.library.card(`From ${what}`).state).toHaveText(runs ? 'Running' : 'Off');
    expect(JSON.parse(await readFile(home.machineFile(`from-${what.toLowerCase().replace(' ', '-')}`), 'utf8'))).toMatchObject(
      expected[what],
    );
  }
});

test('warns of what is no program, and shows the exit code of what is one', async ({ app, home }) => {
  const { page } = app;
  const [text, program] = [join(home.path, 'notes.txt'), join(home.path, 'three.elf')];
  await writeFile(text, 'Hello!\n');
  writeBareMetal(program, (code) => {
    code.poke(8, HTIF_WORDS, (3 << 1) | 1);
    code.wait();
  });
  await page.getByRole('link', { name: 'New box' }).click();
  await page.getByRole('radio', { name: 'Program' }).check();
  const file = page.getByRole('textbox', { name: 'Program', exact: true });
  await file.fill(text);
  await expect(page.getByText('This is no program that Hartbox knows.')).toBeVisible();
  await file.fill(program);
  await expect(page.getByText('This is no program that Hartbox knows.')).toHaveCount(0);
  await page.getByRole('button', { name: 'Create and start' }).click();
  await expect(page.getByText('Ended with exit code 3')).toBeVisible();
  expect((await new AxeBuilder({ page }).setLegacyMode().analyze()).violations).toEqual([]);
  await app.machine.back.click();
  await expect(app.library.card('three').element).toContainText('Ended with exit code 3');
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`has no accessibility findings in ${colorScheme}`, async ({ app }) => {
    const { page } = app;
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.getByRole('link', { name: 'New box' }).click();
    await page.getByRole('radio', { name: 'Kernel' }).check();
    await page.getByRole('button', { name: /^Expert/ }).click();
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await expect(page.getByRole('alert')).not.toHaveCount(0);
    const findings = await new AxeBuilder({ page }).setLegacyMode().analyze();
    expect(findings.violations).toEqual([]);
  });
}
