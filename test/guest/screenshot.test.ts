import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freshHome, hartbox, killHartboxes, startHartbox } from '../support/hartbox-process';
import { readPng } from '../support/png-reader';

const BOX = 'hartbox-linux';
const folder = mkdtempSync(join(tmpdir(), 'hartbox-screenshot-'));
let env: { HARTBOX_HOME: string };
beforeAll(() => {
  env = { HARTBOX_HOME: freshHome() };
});
afterAll(async () => {
  killHartboxes();
  await hartbox(['stop', BOX, '--force'], { env });
  rmSync(folder, { recursive: true, force: true });
  rmSync(env.HARTBOX_HOME, { recursive: true, force: true });
});

it('shows its screens in a file, and takes what is typed and clicked on the command line', async () => {
  const host = startHartbox(['run', BOX, '--screens', '2', '--screen-size', '640x480'], env);
  await host.says(/root@hartbox/);
  host.child.stdin.write("printf '\\033[47m\\033[2J' > /dev/tty0; echo 'dr'awn\n");
  await host.says(/drawn/);
  const file = join(folder, 'screen.png');
  // The guest draws when it likes.
  for (let light = 0; light < 300_000; await delay(100)) {
    expect(await hartbox(['screenshot', BOX, file], { env })).toMatchObject({ code: 0, stderr: '' });
    const { width, height, pixels } = readPng(readFileSync(file));
    expect([width, height]).toEqual([640, 480]);
    light = pixels.filter((word) => word === 0xffaaaaaa).length;
  }

  // Linux's console is on both.
  expect(await hartbox(['screenshot', BOX, file, '--screen', '1'], { env })).toMatchObject({ code: 0, stderr: '' });
  expect(readPng(readFileSync(file))).toMatchObject({ width: 640, height: 480 });

  // The screen has a shell of its own.
  expect(await hartbox(['type', BOX, `echo 'Hello, World! a|b ~"42"' > /tmp/typed`, '--enter'], { env })).toMatchObject({
    code: 0,
    stderr: '',
  });
  host.child.stdin.write('until [ -s /tmp/typed ]; do usleep 100000; done; echo "got $(cat /tmp/typed)."\n');
  await host.says(/got Hello, World! a\|b ~"42"\./);

  host.child.stdin.write(
    'for e in /sys/class/input/event*; do read -r n < $e/device/name; [ "$n" = "Hartbox Tablet" ] && t=$(basename $e); done; ' +
      "(echo 'liste'ning; dd bs=24 count=30 2> /dev/null) < /dev/input/$t | hexdump -v -e '12/2 \"%d \" \"\\n\"'; echo 'do'ne\n",
  );
  let isDone = false;
  const done = host.says(/ 3 1 32767 0 .* 1 273 1 0 .* 1 273 0 0 .*done/s).then(() => {
    isDone = true;
  });
  // When the guest has opened it only the guest knows. The other axis changes each time, so that there is something to tell.
  for (let times = 0; !isDone; times++) {
    await hartbox(['click', BOX, String(320 + (times % 2)), '479', '--button', 'right'], { env });
    await hartbox(['click', BOX, '0', '0', '--button', 'right', '--screen', String(times % 2)], { env });
  }
  await done;

  const second = await hartbox(['vnc', BOX, '--screen', '1', '--address', '0', '--password', 'none'], { env });
  expect(second).toMatchObject({ code: 0, stdout: expect.stringMatching(/^vnc: 127\.0\.0\.1:\d+\n$/) });
  const shown = await hartbox(['vnc', BOX, '--address', '0', '--password', 'none'], { env });
  expect(shown).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^vnc: 127\.0\.0\.1:\d+\n$/) });
  expect(shown.stdout).not.toBe(second.stdout);
  const viewer = connect(Number(/:(\d+)\n/.exec(shown.stdout)?.[1]), '127.0.0.1');
  const received: Buffer[] = [];
  viewer.on('data', (data: Buffer) => received.push(data));
  // Its version, no password, and that others may look too; then the size of the screen comes.
  viewer.write('RFB 003.008\n\x01\x01');
  await expect.poll(() => Buffer.concat(received).subarray(12).toString('hex'), { timeout: 20_000 }).toMatch(/^010100000000028001e0/);
  viewer.destroy();

  expect(await hartbox(['click', BOX, '640', '0'], { env })).toMatchObject({ code: 2, stderr: expect.stringContaining('640 × 480') });
  // No agent runs in this guest, which a letter without a key would need.
  expect(await hartbox(['type', BOX, 'ü'], { env })).toMatchObject({ code: 125, stderr: expect.stringContaining("'ü'") });
  expect(await hartbox(['screenshot', BOX, file, '--screen', '2'], { env })).toMatchObject({
    code: 125,
    stderr: expect.stringContaining('no screen 2'),
  });
});
