import { afterEach, describe, expect, it } from 'vitest';
import { buses } from '../support/buses';
import { GuestShell, PROMPT } from '../support/guest-shell';
import { Transcript } from '../support/transcript';

let shell: GuestShell;
afterEach(() => shell?.machine.stop());

describe('terminals beside the first', { timeout: 120_000 }, () => {
  it.each(buses('pci'))('are hvc1 and so on, each with a shell and a size of its own, on %s', async (bus) => {
    shell = await GuestShell.boot({ consoles: 2, bus, balloon: false });
    const { terminals } = shell.machine;
    expect(terminals).toHaveLength(2);
    const [one, two] = terminals.map((terminal, at) => {
      const heard = new Transcript(`Terminal ${at}`);
      terminal.onData((data) => heard.add(data));
      return heard;
    });
    // Each has a shell of its own, which may have said so before we listened.
    for (const terminal of terminals) terminal.write(Buffer.from('\n'));
    await Promise.all([one.says(PROMPT), two.says(PROMPT)]);
    terminals[0].resize(100, 30);
    terminals[1].resize(132, 50);
    await shell.run('until stty -F /dev/hvc1 size | grep -q 100 && stty -F /dev/hvc2 size | grep -q 132; do usleep 100000; done');
    terminals[0].write(Buffer.from('echo one $(tty; stty size)\n'));
    terminals[1].write(Buffer.from('echo two $(tty; stty size)\n'));
    await Promise.all([one.says(/one \/dev\/hvc1 30 100\r/), two.says(/two \/dev\/hvc2 50 132\r/)]);
    expect(one.text).not.toContain('two');
    // One that ends is followed by another; and the first one goes on as it was.
    const from = two.text.length;
    terminals[1].write(Buffer.from('exit\n'));
    await two.says(new RegExp(`Welcome to Hartbox[^]*${PROMPT.source}`), from);
    expect(shell.transcript).toMatch(/Welcome to Hartbox/);
    expect((await shell.run('stty size; tty')).output).toMatch(/^24 80\n\/dev\/hvc0\n$/);
  });
});
