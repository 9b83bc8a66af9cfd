import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { endWithUs } from '../../../resources/setup/child-processes.mjs';

const run = promisify(execFile);
const MINUTES = 60_000;

/**
 * Run as root in a mount namespace of its own, with which all mounts go: "$1" becomes the root folder, as by a boot and not as by chroot, in which the
 * kernel lets nobody make user namespaces, Chromium's sandbox.
 */
const ENTER = `set -e
mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount --rbind /dev dev
if [ -d /tmp/.X11-unix ]; then mkdir -p tmp/.X11-unix; mount --bind /tmp/.X11-unix tmp/.X11-unix; fi
pivot_root . mnt
umount -l mnt
shift
exec "$@"`;

/** A Debian with no more than apt and what it needs, in a folder, with a user of its own. */
export class FreshDebian {
  /** Of the user, who is called so too. */
  readonly home = '/home/user';

  private constructor(readonly folder: string) {}

  /** Why there can be none here. */
  static readonly lack =
    process.getuid?.() !== 0
      ? 'It takes root.'
      : ['mmdebstrap', 'xdotool'].some(
            (command) => !(process.env.PATH ?? '').split(delimiter).some((path) => existsSync(join(path, command))),
          )
        ? 'It takes mmdebstrap and xdotool, of Debian packages of these names.'
        : !existsSync('/usr/share/keyrings/debian-archive-keyring.gpg')
          ? 'It takes the keys of Debian: debian-archive-keyring.'
          : '';

  /** From Debian's own mirror. */
  static async create(release: string): Promise<FreshDebian> {
    const folder = await mkdtemp(join(tmpdir(), 'hartbox-debian-'));
    try {
      // Its root is a root folder for users, too.
      await chmod(folder, 0o755);
      await run('mmdebstrap', ['--variant=minbase', '--mode=root', release, folder], { timeout: 20 * MINUTES });
      const debian = new FreshDebian(folder);
      await debian.asRoot('useradd', '--create-home', '--shell', '/bin/sh', 'user');
      return debian;
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** What it prints. */
  async asRoot(...command: string[]): Promise<string> {
    const [program, ...args] = this.enter({ offline: false }, command);
    const { stdout } = await run(program, args, { timeout: 20 * MINUTES, maxBuffer: 2 ** 26 });
    return stdout;
  }

  /** What it prints for the user, where there is no network at all. */
  async asUser(...command: string[]): Promise<string> {
    const [program, ...args] = this.enter({ offline: true }, this.user(command));
    return (await run(program, args, { timeout: 3 * MINUTES })).stdout;
  }

  /** A program that stays, for the user, without a network. */
  start(...command: string[]): ChildProcess {
    const [program, ...args] = this.enter({ offline: true }, this.user(command));
    return endWithUs(spawn(program, args, { stdio: 'ignore' }));
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  private user(command: string[]): string[] {
    return ['setpriv', '--reuid=user', '--regid=user', '--init-groups', 'env', '-C', this.home, `HOME=${this.home}`, ...command];
  }

  private enter({ offline }: { offline: boolean }, command: string[]): [string, ...string[]] {
    const env = [
      ...['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root', 'LANG=C.UTF-8', 'DEBIAN_FRONTEND=noninteractive'],
      `DISPLAY=${process.env.DISPLAY ?? ''}`,
    ];
    return ['unshare', '--mount', ...(offline ? ['--net'] : []), 'sh', '-c', ENTER, 'sh', this.folder, 'env', '-i', ...env, ...command];
  }
}
