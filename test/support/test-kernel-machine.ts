import { type ChildProcess, spawn } from 'node:child_process';
import { endWithUs } from '../../resources/setup/child-processes.mjs';
import { VirtualMachine } from '../../engine/machine/virtual-machine';
import type { MachineConfigInput } from '../../engine/settings/settings';
import { Transcript } from './transcript';

/** The test kernel at its shell, in Hartbox or QEMU. */
export class KernelConsole {
  readonly #heard = new Transcript('The kernel');

  private constructor(
    /** What is typed goes as it is. */
    readonly type: (text: string | Uint8Array) => void,
    /** Ends the machine, if it still runs. */
    readonly stop: () => Promise<void>,
    /** Its exit code. */
    readonly ended: Promise<number>,
  ) {
    void ended.finally(() => this.#heard.end());
  }

  static async hartbox(config: MachineConfigInput, { paused = false } = {}): Promise<KernelConsole & { machine: VirtualMachine }> {
    const machine = await VirtualMachine.create(config);
    const ended = machine.wait().then(({ code }) => code);
    const kernel = new KernelConsole(
      (text) => machine.console.write(Buffer.from(text)),
      () => machine.stop(),
      ended,
    );
    machine.console.onData((data) => kernel.#heard.add(data));
    await machine.start({ paused });
    return Object.assign(kernel, { machine });
  }

  static qemu(args: string[]): KernelConsole {
    const child: ChildProcess = endWithUs(spawn('qemu-system-riscv64', args, { stdio: ['pipe', 'pipe', 'inherit'] }));
    const ended = new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve(code ?? -1));
    });
    const kernel = new KernelConsole(
      (text) => child.stdin?.write(text),
      async () => {
        child.kill('SIGKILL');
        await ended;
      },
      ended,
    );
    child.stdin?.on('error', () => undefined);
    child.stdout?.on('data', (data: Buffer) => kernel.#heard.add(data));
    return kernel;
  }

  get transcript(): string {
    return this.#heard.text;
  }

  /** Resolves with the first match in what came after `from`. Rejects where it does not come in time, or the machine ends before. */
  says(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    return this.#heard.says(pattern, from);
  }

  /** Run a command; resolves with what it said, without its echo, at the next prompt. */
  async run(command: string): Promise<string> {
    const from = this.transcript.length;
    this.type(`${command}\n`);
    const [, said] = await this.says(/^[^\n]*\n([\s\S]*?)^\$ $/m, from);
    return said;
  }
}

/** How the test kernel is started. */
export interface KernelSetup {
  kernel: string;
  /** A raw image, which comes first. */
  disk: string;
  harts: number;
  firmware: 'none' | 'opensbi';
  virtioMmio: 'modern' | 'legacy';
}

/** The arguments of qemu-system-riscv64, as xv6's Makefile has them. */
export function kernelQemuArguments({ kernel, disk, harts, firmware, virtioMmio }: KernelSetup): string[] {
  const bios = firmware === 'none' ? 'none' : 'default';
  const board = ['-machine', 'virt', '-bios', bios, '-kernel', kernel, '-m', '128M', '-smp', `${harts}`, '-nographic'];
  const drive = ['-drive', `file=${disk},if=none,format=raw,id=x0`, '-device', 'virtio-blk-device,drive=x0,bus=virtio-mmio-bus.0'];
  return [...board, ...(virtioMmio === 'modern' ? ['-global', 'virtio-mmio.force-legacy=false'] : []), ...drive];
}

/** The same for Hartbox. */
export function kernelConfig({ kernel, disk, harts, firmware, virtioMmio }: KernelSetup): MachineConfigInput {
  return {
    kernel,
    harts,
    firmware,
    virtioMmio,
    memory: 128 << 20,
    drives: [{ file: disk, format: 'raw' }],
    virtioConsole: 'off',
    entropy: 'off',
  };
}
