import { readText } from '../host/open-file';
import type { Result } from '../runner/control';
import type { VncWish } from '../runner/vnc-service';
import { VNC } from './commands/looking';
import type { MachineOptions } from './machine-options';
import { nothingMore, parseBoxCommand, runningBox } from './running-box';
import { screenNumber } from './screen';
import { UsageError } from './usage-error';

/** The longest file that a password can be in, in bytes. */
const PASSWORD_FILE_MOST = 4096;

/** `hartbox vnc`. */
export async function vnc(args: string[]): Promise<number> {
  const { values, name, rest } = parseBoxCommand(VNC, args);
  nothingMore('vnc', rest);
  const password = await readVncPassword(values.password);
  const { client } = await runningBox(name);
  try {
    process.stdout.write(
      `${describeVnc(await client.call('vnc', { screen: screenNumber(values.screen), address: values.address, password }), { vncPassword: values.password })}\n`,
    );
  } finally {
    client.close();
  }
  return 0;
}

/** What `--vnc` and `--vnc-password` ask for. */
export async function vncWish({ vnc: address, vncPassword }: MachineOptions): Promise<VncWish | undefined> {
  if (address === undefined) return undefined;
  return { address, password: await readVncPassword(vncPassword) };
}

/** `vnc: 127.0.0.1:5900, password …`, for people, and for who reads a log later: one that the user has given is not told. */
export function describeVnc({ address, password }: Result<'vnc'>, { vncPassword }: Pick<MachineOptions, 'vncPassword'>): string {
  return `vnc: ${address}${password === undefined ? '' : `, password ${vncPassword === undefined ? password : `as in ${vncPassword}`}`}`;
}

/** Undefined: one is to be made. Empty: none. */
async function readVncPassword(file: string | undefined): Promise<string | undefined> {
  if (file === undefined || file === 'none') return file && '';
  const [line] = (await readText(file, PASSWORD_FILE_MOST)).split(/\r?\n/, 1);
  if (!/^[\x20-\x7e]+$/.test(line)) throw new UsageError(`The first line of ${file} is no password: it needs ASCII characters.`);
  return line;
}
