import { afterEach, describe, expect, it } from 'vitest';
import { GdbServer } from '../../engine/debug/gdb/server';
import { GdbClient } from '../support/gdb-client';
import { GuestShell } from '../support/guest-shell';
import { Random } from '../support/random';

/** How often a debugger comes and goes. */
const RUNS = Number(process.env['HARTBOX_RUNS'] ?? (process.env['HARTBOX_LONG'] ? 1000 : 40));
/** Said where something fails. */
const SEED = Number(process.env['HARTBOX_SEED'] ?? Date.now() % 1_000_000);
const HARTS = 2;
/** A round of the guest's own work, whose result is known. */
const WORK =
  'i=0; s=0; while [ $i -lt 300 ]; do s=$((s + i * i)); i=$((i + 1)); done; echo $s | tee /tmp/sum; cat /tmp/sum | md5sum | cut -c1-8';

let shell: GuestShell | undefined;
let server: GdbServer | undefined;
afterEach(async () => {
  await server?.close();
  await shell?.machine.stop();
});

/** What a debugger does in a while, by chance; ends when it has gone. Where code runs that it may stop at, is in `places`. */
async function debug(client: GdbClient, random: Random, places: string[]): Promise<string[]> {
  const done: string[] = [];
  const ask = async (payload: string): Promise<string> => {
    done.push(payload);
    const answer = await client.ask(payload);
    if (answer === undefined) throw new Error(`The server went away: ${done.join(' ')}`);
    return answer;
  };
  const pc = async (): Promise<string> =>
    Buffer.from(await ask('p20'), 'hex')
      .reverse()
      .toString('hex');
  const thread = (): number => 1 + random.below(HARTS);
  const stopped = async (): Promise<void> => expect(await client.next()).toMatch(/^T/);
  await ask('?');
  for (let steps = random.below(12); steps > 0; steps--) {
    const what = random.below(10);
    if (what < 2) {
      places.push(await pc());
      if (places.length > 64) places.shift();
    } else if (what < 4 && places.length > 0) {
      await ask(`${random.pick(['Z', 'Z', 'z'])}${random.pick(['0', '1'])},${random.pick(places)},4`);
    } else if (what === 4) {
      const sp = Buffer.from(await ask('p2'), 'hex')
        .reverse()
        .toString('hex');
      await ask(`Z${random.pick(['2', '3', '4'])},${sp},8`);
    } else if (what === 5) {
      await ask(`Hg${thread()}`);
      await ask('g');
      await ask(`m${await pc()},40`);
    } else if (what < 8) {
      for (let i = random.below(20); i >= 0; i--) await ask(random.pick([`vCont;s:${thread()}`, `vCont;s:${thread()};c`, 's']));
    } else {
      const word = random.pick(['vCont;c', 'c', `vCont;c:${thread()}`]);
      done.push(word);
      client.tell(word);
      // It may come to a breakpoint before.
      await new Promise((resolve) => setTimeout(resolve, random.below(30)));
      client.interrupt();
      await stopped();
    }
  }
  const end = random.below(4);
  done.push(`end ${end}`);
  if (end === 0) {
    await ask('D');
    await client.closed();
  } else if (end === 1) {
    client.tell(random.pick(['vCont;c', 'vCont;s:1;c', 'c']));
    await client.kill();
  } else await client.kill(random.pick(['', '$m8020', '$vCont;c#a', '$g#67', '\x03']));
  return done;
}

describe('Linux at work under debuggers that come and go', () => {
  it(`goes on unharmed after ${RUNS} of them, some of which die`, { timeout: 120_000 + RUNS * 2000 }, async () => {
    shell = await GuestShell.boot({ harts: HARTS, memory: 256 << 20 });
    const { machine } = shell;
    server = await GdbServer.listen(machine.debugger, { host: '127.0.0.1', port: 0 });
    const right = (await shell.run(WORK)).output;
    const random = new Random(SEED);
    const places: string[] = [];
    for (let run = 0; run < RUNS; run++) {
      const working = shell.run(WORK);
      // Where the test fails before, nobody waits for it.
      working.catch(() => undefined);
      const before = server.isAttached;
      const client = await GdbClient.connect(server.address);
      let done: string[] = [];
      try {
        done = await debug(client, random, places);
      } finally {
        await client.kill();
      }
      await expect.poll(() => server?.isAttached, { timeout: 20_000 }).toBe(false);
      const told = `seed ${SEED}, run ${run}: ${done.join(' ')}`;
      expect(before, told).toBe(false);
      expect(machine.state, told).toBe('running');
      expect((await working).output, told).toBe(right);
    }
    const { output } = await shell.run("dmesg | grep -iE 'oops|panic|bug:|stall|lockup|unable to handle|unhandled'");
    expect(output).toBe('');
  });
});
