import { afterEach, describe, expect, it } from 'vitest';
import { GuestShell, PROMPT } from '../support/guest-shell';

let shell: GuestShell;
afterEach(() => shell?.machine.stop());

describe('terminals beside the first', { timeout: 120_000 }, () => {
  it.each(['mmio', 'pci'] as const)('are hvc1 and so on, each with a shell and a size of its own, on %s', async (bus) => {
    shell = await GuestShell.boot({ consoles: 2, bus, balloon: false });
    const { terminals } = shell.machine;
    expect(terminals).toHaveLength(2);
    const said = ['', ''];
    const listeners: (() => void)[] = [];
    for (const [at, terminal] of terminals.entries()) {
      terminal.onData((data) => {
        said[at] += Buffer.from(data).toString();
        for (const look of listeners) look();
      });
    }
    const hears = (at: number, pattern: RegExp): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (pattern.test(said[at])) resolve();
        };
        listeners.push(look);
        look();
      });
    // Each has a shell of its own, which may have said so before we listened.
    for (const terminal of terminals) terminal.write(Buffer.from('\n'));
    await Promise.all([hears(0, PROMPT), hears(1, PROMPT)]);
    terminals[0].resize(100, 30);
    terminals[1].resize(132, 50);
    await shell.run('until stty -F /dev/hvc1 size | grep -q 100 && stty -F /dev/hvc2 size | grep -q 132; do usleep 100000; done');
    terminals[0].write(Buffer.from('echo one $(tty; stty size)\n'));
    terminals[1].write(Buffer.from('echo two $(tty; stty size)\n'));
    await Promise.all([hears(0, /one \/dev\/hvc1 30 100\r/), hears(1, /two \/dev\/hvc2 50 132\r/)]);
    expect(said[0]).not.toContain('two');
    // One that ends is followed by another; and the first one goes on as it was.
    said[1] = '';
    terminals[1].write(Buffer.from('exit\n'));
    await hears(1, new RegExp(`Welcome to Hartbox[^]*${PROMPT.source}`));
    expect(shell.transcript).toMatch(/Welcome to Hartbox/);
    expect((await shell.run('stty size; tty')).output).toMatch(/^24 80\n\/dev\/hvc0\n$/);
  });
});
