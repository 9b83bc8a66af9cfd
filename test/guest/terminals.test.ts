import { afterEach, describe, expect, it } from 'vitest';
import { GuestShell } from '../support/guest-shell';

let shell: GuestShell;
afterEach(() => shell?.machine.stop());

describe('terminals beside the first', { timeout: 300_000 }, () => {
  it.each(['mmio', 'pci'] as const)('are hvc1 and so on, each with what is said there and a size of its own, on %s', async (bus) => {
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
    await shell.run(
      'for n in 1 2; do (stty -F /dev/hvc$n raw -echo; while read -r line; do echo "hvc$n heard $line, $(stty size)"; done) < /dev/hvc$n > /dev/hvc$n & done; sleep 1',
    );
    terminals[0].resize(100, 30);
    terminals[1].resize(132, 50);
    await shell.run('until stty -F /dev/hvc1 size | grep -q 100 && stty -F /dev/hvc2 size | grep -q 132; do usleep 100000; done');
    terminals[0].write(Buffer.from('one\n'));
    terminals[1].write(Buffer.from('two\n'));
    await Promise.all([hears(0, /hvc1 heard one, 30 100/), hears(1, /hvc2 heard two, 50 132/)]);
    expect(said[0]).not.toContain('two');
    // And the first one goes on as it was.
    expect((await shell.run('stty size; tty')).output).toMatch(/^24 80\n\/dev\/hvc0\n$/);
  });
});
