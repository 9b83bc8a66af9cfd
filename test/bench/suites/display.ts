import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConsoleSession } from '../console-session';
import { compileProgram, initrdWith } from '../guest-program';
import { type BenchContext, type BenchSuite, type Measurement, median } from '../measurement';
import type { Peer } from '../peers';
import { PROMPT } from '../prompt';
import { RfbClient } from '../rfb-client';

const SIDES = { width: 1280, height: 800 };
const SECONDS = 4;
const KEYS = 31;
/** XK_a. */
const KEY = 0x61;

const measurement = (name: string, unit: Measurement['unit']): Measurement => ({ name, kind: 'display', unit });
const TENTH = measurement('a tenth of the screen', 'updates/s');
const WHOLE = measurement('all of the screen', 'updates/s');
const LATENCY = measurement('from a key to the pixel', 's');
const KEPT = measurement('what the hart keeps, a tenth 30 times a second', '% kept');
const IDLE = measurement('a picture that does not change', 'updates');

let initrd = '';
let runs = 0;

/** Start the guest's program, and wait until its picture is there. */
async function start(session: ConsoleSession, client: RfbClient, what: string, percent: number, seconds: number): Promise<void> {
  session.send(`/bench/display ${what} ${percent} ${seconds} || echo FAILED`);
  const [text, width, height] = await session.expect(/\nREADY (\d+) (\d+)\n|\nFAILED\n/, 60);
  if (Number(width) !== SIDES.width || Number(height) !== SIDES.height)
    throw new Error(`The screen of ${session.name} is not ${SIDES.width} × ${SIDES.height}: ${text}`);
  // What changes is a part at the top left, of which this is the last pixel.
  const right = percent === 100 ? SIDES.width : SIDES.width / 2;
  const bottom = percent === 100 ? SIDES.height : (SIDES.height * percent * 2) / 100;
  client.spot = { x: right - 1, y: Math.floor(bottom) - 1 };
}

async function resultOf(session: ConsoleSession): Promise<number> {
  const [, value] = await session.expect(/^RESULT (\d+)\n/m, 60);
  await session.expect(PROMPT, 20);
  return Number(value);
}

/** Updates a second while a part changes; what counts is a frame that was not seen before. */
async function updates(session: ConsoleSession, client: RfbClient, percent: number): Promise<number> {
  await start(session, client, 'video', percent, SECONDS + 1);
  client.ask();
  await delay(500);
  const [before, from] = [client.changes, performance.now()];
  await delay(1000 * (SECONDS - 1));
  const rate = (1000 * (client.changes - before)) / (performance.now() - from);
  await resultOf(session);
  client.rest();
  return rate;
}

/** Seconds from a key of the viewer's to a picture that shows it. */
async function latency(session: ConsoleSession, client: RfbClient): Promise<number> {
  await start(session, client, 'keys', KEYS, 0);
  client.spot = { x: 0, y: 0 };
  client.ask();
  await delay(300);
  const times: number[] = [];
  for (let i = 0; i < KEYS; i++) {
    // So that a key comes at any moment of the server's clock.
    await delay(50 + 7 * (i % 11));
    const pressed = performance.now();
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`A key was not seen on the screen of ${session.name}.`)), 20_000);
      client.onChange = () => {
        clearTimeout(timer);
        resolve();
      };
      client.key(KEY, true);
    });
    times.push((performance.now() - pressed) / 1000);
    client.onChange = () => undefined;
    client.key(KEY, false);
  }
  await session.expect(PROMPT, 20);
  client.rest();
  return median(times);
}

/** How much of what it does alone the hart does while somebody looks. */
async function kept(session: ConsoleSession, client: RfbClient): Promise<number> {
  const rounds = async (looks: boolean): Promise<number> => {
    await start(session, client, 'load', 10, SECONDS);
    if (looks) client.ask();
    const result = await resultOf(session);
    client.rest();
    return result;
  };
  // The first is slower: code is not translated yet.
  await rounds(false);
  const alone = await rounds(false);
  return (100 * (await rounds(true))) / alone;
}

async function still(session: ConsoleSession, client: RfbClient): Promise<number> {
  await start(session, client, 'still', 100, SECONDS);
  client.ask();
  await delay(1000);
  const before = client.updates;
  await delay(1000 * (SECONDS - 2));
  const seen = client.updates - before;
  await session.expect(PROMPT, 20);
  client.rest();
  return seen;
}

async function measure({ chosen, record, failed, say }: BenchContext, peer: Peer, session: ConsoleSession, client: RfbClient) {
  const ways: [Measurement, () => Promise<number>][] = [
    [TENTH, () => updates(session, client, 10)],
    [WHOLE, () => updates(session, client, 100)],
    [LATENCY, () => latency(session, client)],
    [KEPT, () => kept(session, client)],
    [IDLE, () => still(session, client)],
  ];
  for (const [one, measured] of ways) {
    if (!chosen(one)) continue;
    say(`${peer.name}: ${one.name}`);
    const value = await measured();
    record(peer, one, value);
    if (one === IDLE && value > 0) failed(`${peer.name} sent ${value} updates of a picture that does not change.`);
  }
}

export const display: BenchSuite = {
  description: `a screen of ${SIDES.width} × ${SIDES.height}, seen by the same client of VNC, raw`,
  measurements: [TENTH, WHOLE, LATENCY, KEPT, IDLE],
  async prepare({ guest, folder }) {
    initrd = await initrdWith(guest, folder, 'display', await compileProgram(folder, 'display', ['-I/usr/include/libdrm']));
  },

  async run(context, peer) {
    // QEMU leaves its own behind.
    const socket = join(context.folder, `vnc${++runs}`);
    const session = peer.start({ ...context.guest, initrd, screen: { ...SIDES, vnc: socket } });
    try {
      await session.expect(PROMPT, 120);
      const client = await RfbClient.connect(socket);
      try {
        await measure(context, peer, session, client);
      } finally {
        client.close();
      }
    } finally {
      await session.stop();
    }
  },
};
