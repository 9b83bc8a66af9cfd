import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { writeCpio } from '../../engine/images/cpio';
import { buses } from '../support/buses';
import { SPEECH_MODEL, speechIn } from '../support/direct-inference';
import { compileForGuest } from '../support/guest-compiler';
import { buildGuestModules } from '../support/guest-modules';
import { GuestShell } from '../support/guest-shell';
import { endlessModel, linearModel } from '../support/onnx-writer';

const folder = mkdtempSync(join(tmpdir(), 'hartbox-ai-'));
const models = join(folder, 'models');
const WINDOWS = 4;
/** A sound of 16 kHz, in steps of 16 bits. */
const sound = Int16Array.from({ length: 512 * WINDOWS }, (_, at) => 12_000 * Math.sin(at / 9) * Math.sin(at / 900));
let extraInitrd: Uint8Array;
let shell: GuestShell;

/** Some of what is on the disc of guest tools, and where it comes from. */
const ON_DISC = {
  'resources/guest/modules/hartbox_ai.c': 'modules/hartbox_ai.c',
  'resources/guest/modules/dkms.conf': 'modules/dkms.conf',
  'resources/guest/ai/hartbox_ai.c': 'ai/hartbox_ai.c',
  'docs/ai.md': 'ai/README.md',
};

/** A WAV file of one channel and 16 bits. */
function wavFile(): Uint8Array {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + sound.byteLength, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  for (const [at, value] of [
    [20, 1],
    [22, 1],
    [32, 2],
    [34, 16],
  ])
    header.writeUInt16LE(value, at);
  header.writeUInt32LE(16_000, 24);
  header.writeUInt32LE(32_000, 28);
  header.write('data', 36);
  header.writeUInt32LE(sound.byteLength, 40);
  return Buffer.concat([header, new Uint8Array(sound.buffer)]);
}

beforeAll(async () => {
  mkdirSync(models);
  copyFileSync(SPEECH_MODEL, join(models, 'speech.onnx'));
  writeFileSync(join(models, 'endless.onnx'), endlessModel());
  const source = join(folder, 'source');
  cpSync(fileURLToPath(new URL('../../resources/guest/ai', import.meta.url)), source, { recursive: true });
  await promisify(execFile)('make', ['-C', source, 'CC=riscv64-linux-gnu-gcc', 'LDFLAGS=-static', 'hartbox-ai', 'speech']);
  const program = (name: string) => ({ type: 'file', path: `bin/${name}`, mode: 0o755, data: readFileSync(join(source, name)) }) as const;
  await compileForGuest(new URL('../support/ai-window.c', import.meta.url), join(source, 'ai-window'), ['-D_GNU_SOURCE']);
  const driver = (await buildGuestModules(folder, ['hartbox_ai'])).get('hartbox_ai') as Uint8Array;
  extraInitrd = writeCpio([
    { type: 'file', path: 'root/hartbox_ai.ko', data: driver },
    program('hartbox-ai'),
    program('speech'),
    program('ai-window'),
    // y = 2 x0 + 3 x1 + 1
    {
      type: 'file',
      path: 'root/line.onnx',
      data: linearModel(
        2,
        1,
        (at) => at + 2,
        () => 1,
      ),
    },
    { type: 'file', path: 'root/sound.wav', data: wavFile() },
    { type: 'file', path: 'root/bad.onnx', data: Uint8Array.of(1, 2, 3, 4) },
  ]);
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => shell?.machine.stop());

describe('inference for a guest', { timeout: 300_000 }, () => {
  it.each(buses('mmio'))('runs models by a console port, with a stock kernel, on %s', async (bus) => {
    shell = await GuestShell.boot({ ai: true, aiModels: models, aiSeconds: 3, guestTools: true, bus, balloon: false }, { extraInitrd });
    const output = async (command: string): Promise<string> => (await shell.run(command)).output;
    expect(await output('hartbox-ai info')).toMatch(/ONNX Runtime[\s\S]*protocol 1, messages of 67108864 bytes, models of 1024 MiB/);
    expect(await output('hartbox-ai list')).toMatch(/endless\.onnx\t\d+\nspeech\.onnx\t2327524\n/);
    expect(await output('hartbox-ai show ./line.onnx')).toBe('input x float32 ?x2\noutput y float32 ?x1\n');
    expect(await output('hartbox-ai run ./line.onnx x=10,100')).toBe('output y float32 1x1\n321\n');
    expect(await output('hartbox-ai run ./line.onnx x:3x2=1,0,0,1,0,0')).toBe('output y float32 3x1\n3 4 1\n');

    const likely = await speechIn(Float32Array.from(sound, (sample) => sample / 32_768));
    const lines = (await output('speech speech.onnx sound.wav')).trim().split('\n');
    expect(lines.map((line) => Number(line.split(' ')[2]))).toEqual(likely.map((one) => Number(one.toFixed(6))));

    // What goes wrong is told, and the next program finds everything as it was.
    expect(await shell.run('hartbox-ai show ./bad.onnx')).toMatchObject({ status: 1, output: expect.stringMatching(/\(6\)/) as string });
    expect(await output('hartbox-ai run ./line.onnx x:1x3=1,2,3')).toMatch(/hartbox-ai: [\s\S]*\(7\)/);
    expect(await output('hartbox-ai run ./line.onnx x=1,abc')).toBe("hartbox-ai: 'abc' is no value of the type float32\n");
    expect(await output('hartbox-ai run ./line.onnx x=1,2,3')).toBe("hartbox-ai: the input 'x' has 3 values, and by its sizes 2\n");
    expect(await output('hartbox-ai show /dev/zero')).toBe('hartbox-ai: /dev/zero is not a file\n');
    expect(await shell.run('hartbox-ai run --help | head -n 1')).toMatchObject({
      status: 0,
      output: expect.stringMatching(/info/) as string,
    });
    expect(await output('hartbox-ai show ../etc/passwd.onnx; hartbox-ai show passwd')).toMatch(/no model "passwd"/i);
    // Several at once; one that does not end is ended, alone. A program that is killed leaves nothing behind.
    const together = await output(
      'for i in 1 2; do hartbox-ai run speech.onnx input:1x512=0 state:2x1x128=0 sr:=16000 > out$i & done; hartbox-ai run endless.onnx x=1; ' +
        'hartbox-ai run endless.onnx x=1 & sleep 1; kill $!; wait; cat out1; cmp out1 out2 && hartbox-ai run ./line.onnx x=1,1',
    );
    expect(together).toMatch(/longer than 3 seconds[\s\S]*output output float32 1x1\n0\.\d+[\s\S]*output y float32 1x1\n6\n/);

    // What programs and drivers are made of, on the disc of guest tools; here is nothing to make them with, of which its script tells.
    const onDisc = await output('mount -o ro /dev/vda /mnt && cd /mnt && sha256sum */* && sh -n install.sh; cd');
    for (const [from, to] of Object.entries(ON_DISC)) {
      const hash = createHash('sha256')
        .update(readFileSync(fileURLToPath(new URL(`../../${from}`, import.meta.url))))
        .digest('hex');
      expect(onDisc).toContain(`${hash}  ${to}\n`);
    }
    expect(onDisc).not.toMatch(/syntax/);
    expect(await shell.run('sh /mnt/install.sh')).toMatchObject({
      status: 1,
      output: expect.stringMatching(/need make, gcc and the headers/),
    });
    expect((await shell.run('echo > /dev/vda')).status).not.toBe(0);
  });

  it.each(buses('pci'))('runs models by its own device, with our driver, on %s', async (bus) => {
    shell = await GuestShell.boot({ ai: true, aiModels: models, aiSeconds: 3, bus, balloon: false }, { extraInitrd });
    const output = async (command: string): Promise<string> => (await shell.run(command)).output;
    expect(await output('insmod hartbox_ai.ko && ls -l /dev/hartbox-ai')).toMatch(/^crw-rw-rw-/);
    expect(await output('export HARTBOX_AI=/dev/hartbox-ai; hartbox-ai info')).toMatch(/ONNX Runtime[\s\S]*protocol 1/);
    expect(await output('hartbox-ai run ./line.onnx x=10,100')).toBe('output y float32 1x1\n321\n');
    // Larger than a page, and than a piece of the driver's memory: 400,000 rows are 3.2 MB in, 1.6 MB out.
    expect(await output('hartbox-ai run ./line.onnx x:400000x2=0 | tail -n 1 | tr " " "\\n" | sort | uniq -c')).toMatch(/^ *400000 1\n$/);
    const likely = await speechIn(Float32Array.from(sound, (sample) => sample / 32_768));
    const lines = (await output('speech speech.onnx sound.wav')).trim().split('\n');
    expect(lines.map((line) => Number(line.split(' ')[2]))).toEqual(likely.map((one) => Number(one.toFixed(6))));

    // Many programs at once; those that are killed, and one that does not end.
    const together = await output(
      'for i in 1 2 3 4 5 6; do hartbox-ai run ./line.onnx x=$i,0 > out$i & done; wait; tail -qn 1 out1 out2 out3 out4 out5 out6; ' +
        'for i in 1 2 3 4; do hartbox-ai run endless.onnx x=1 & done; sleep 1; kill $(pidof hartbox-ai); wait; ' +
        'hartbox-ai run endless.onnx x=1; hartbox-ai run ./line.onnx x=1,1 | tail -n 1',
    );
    expect(together).toMatch(/^3\n5\n7\n9\n11\n13\n[\s\S]*longer than 3 seconds[\s\S]*\n6\n$/);
    // A message that is none is refused, and those behind it are read.
    expect(await output("printf 'this is no message, but longer than a header' | dd of=/dev/hartbox-ai")).toMatch(/Invalid argument/);
    expect(await output('ai-window')).toBe('well\n');
    // Whoever has it open keeps the driver; then it goes, and comes again.
    const gone = 'sleep 9 < /dev/hartbox-ai & usleep 300000; rmmod hartbox_ai; echo $?; kill $!; usleep 300000; rmmod hartbox_ai; echo $?';
    expect(await output(gone)).toMatch(/1\n[\s\S]*0\n$/);
    expect(await output('insmod hartbox_ai.ko && hartbox-ai run ./line.onnx x=1,1 | tail -n 1')).toBe('6\n');
    expect(await output('dmesg | grep -E "BUG:|WARNING:|Call Trace:"')).toBe('');
  });
});
