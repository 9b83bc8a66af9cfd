import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stockFirmware } from '../../../engine/images/stock-firmware';
import { type BootDisk, bootDisk, bootWays, describeWay } from '../../support/boot-disk';
import { type BootMachine, type BootWay, JUMP_TO_FLASH } from '../../support/qemu-machine';
import type { ConsoleSession } from '../console-session';
import type { BenchContext, BenchSuite, Measurement } from '../measurement';
import { type Peer, qemu } from '../peers';

const ways = bootWays.map((way) => {
  const measurement: Measurement = { name: describeWay(way), kind: 'cold', unit: 's' };
  return { way, measurement };
});

/** Seconds; whatever takes longer hangs. */
const PATIENCE = 90;

let disk: BootDisk;
let prepared: Record<BootWay['firmware'], Pick<BootMachine, 'opensbi' | 'next'>>;

export const firmware: BenchSuite = {
  description: "seconds from starting the process to Debian's login, through OpenSBI, U-Boot and EDK2, from every kind of disk",
  measurements: ways.map(({ measurement }) => measurement),
  async prepare({ guest, folder, say }) {
    disk = await bootDisk(guest, say);
    const jump = join(folder, 'jump.bin');
    await writeFile(jump, JUMP_TO_FLASH);
    const { opensbi, uboot } = await stockFirmware('uboot');
    const { code, variables } = await stockFirmware('edk2');
    prepared = {
      opensbi: { opensbi, next: { kernel: guest.kernel, initrd: disk.initrd, append: disk.append } },
      uboot: { opensbi, next: { uboot } },
      edk2: { opensbi, next: { code, variables, jump } },
    };
  },
  async run(context, peer) {
    for (const { way, measurement } of ways) {
      if (!context.chosen(measurement)) continue;
      context.say(`  ${measurement.name}`);
      try {
        context.record(peer, measurement, await toLogin(context, peer, way));
      } catch (error) {
        // There are ways that not every QEMU can go.
        const tell = peer === qemu ? context.say : context.failed;
        tell(`  not in ${peer.name}: ${String(error).slice(0, 300)}`);
      }
    }
  },
};

async function toLogin({ folder, cpuTime }: BenchContext, peer: Peer, way: BootWay): Promise<number> {
  const copy = join(folder, 'boot.img');
  await rm(`${copy}.vars`, { force: true });
  await promisify(execFile)('qemu-img', ['convert', '-f', 'raw', '-O', way.format, disk.image, copy]);
  // Nothing of the copy is to be written while the guest is measured.
  await promisify(execFile)('sync', ['--file-system', copy]);
  const start = performance.now();
  const session = peer.boot({ ...way, ...prepared[way.firmware], disk: copy });
  try {
    await session.expect(/\bdebian login: /, PATIENCE);
    const seconds = cpuTime ? session.cpuSeconds : (performance.now() - start) / 1000;
    await logIn(session);
    // Waits until all units that are to start have been tried.
    session.send('systemctl is-system-running --wait > /dev/null; systemctl --failed --no-legend --plain | wc -l | sed s/^/failed:/');
    const [, failed] = await session.expect(/^failed:(\d+)/m, 120);
    if (failed !== '0') throw new Error(`${failed} units of Debian have failed in ${peer.name}`);
    return seconds;
  } finally {
    await session.stop();
  }
}

/** Where Debian asks on two consoles, what is typed before the second asks may be lost. */
async function logIn(session: ConsoleSession, tries = 10): Promise<void> {
  session.send('root');
  try {
    await session.expect(/root@debian:~# /, 5);
  } catch (error) {
    if (tries === 1) throw error;
    await logIn(session, tries - 1);
  }
}
