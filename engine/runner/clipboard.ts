import { CLIPBOARD_MAX, type ClipboardContent, type GuestAgent } from '../display/agent/guest-agent';
import type { InputReport, SharedText } from '../display/vnc/seat';
import { VmError } from '../errors/vm-error';
import { readImageFile } from '../images/image-file';
import type { Arguments, Result } from './control';

/** `clipboard-get`, `clipboard-set` and `send-files` of the control table. */
export async function getClipboard(agent: GuestAgent | undefined): Promise<Result<'clipboard-get'>> {
  const { text, png } = await sharing(agent).read();
  return { text, png: png && Buffer.from(png).toString('base64') };
}

export async function setClipboard(
  agent: GuestAgent | undefined,
  { text, png, pngFile }: Arguments<'clipboard-set'>,
): Promise<Record<string, never>> {
  const one = sharing(agent);
  const content: ClipboardContent = { text, png: png === undefined ? undefined : Buffer.from(png, 'base64') };
  if (pngFile !== undefined) {
    content.png = (await readImageFile('picture', pngFile, CLIPBOARD_MAX)).bytes;
    if (!PNG_SIGNATURE.every((byte, at) => content.png?.[at] === byte))
      throw new VmError('Image', `${pngFile} is no PNG picture. Convert it first.`, { code: 'picture-not-png', params: { path: pngFile } });
  }
  one.offer(content);
  return {};
}

/** PNG, section 5.2. */
const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** Of Linux's input-event-codes.h. */
const [EV_KEY, KEY_LEFTSHIFT, KEY_INSERT] = [1, 42, 110];

/** `insert-text`: the keys that paste nearly everywhere are Shift+Insert. `press` reports them, and says whether the guest heard. */
export async function insertText(
  agent: GuestAgent | undefined,
  text: string,
  press: (reports: Arguments<'input'>['reports']) => boolean,
): Promise<Record<string, never>> {
  const key = (code: number, value: number): InputReport[number] => ({ type: EV_KEY, code, value });
  const [down, up] = [
    [[key(KEY_LEFTSHIFT, 1)], [key(KEY_INSERT, 1)]],
    [[key(KEY_INSERT, 0)], [key(KEY_LEFTSHIFT, 0)]],
  ];
  await sharing(agent).insert(text, () => {
    if (!press([...down, ...up].map((report) => [...report]))) throw keyboardUnheard();
  });
  return {};
}

function keyboardUnheard(): VmError {
  return new VmError('State', 'Nothing in the guest listens to its keyboard: it has not started that far, or does not keep up.', {
    code: 'keyboard-unheard',
  });
}

/** For those who look by VNC. */
export function sharedText(agent: GuestAgent): SharedText {
  return {
    get hasText() {
      return agent.isThere && agent.hasText;
    },
    read: async () => (agent.isThere ? (await agent.read()).text : undefined),
    offer: (text) => {
      if (agent.isThere && text !== '') agent.offer({ text });
    },
    onCopy: (listener) => agent.onCopy(listener),
  };
}

export async function sendFiles(
  agent: GuestAgent | undefined,
  files: readonly string[],
  signal?: AbortSignal,
): Promise<Record<string, never>> {
  const one = sharing(agent);
  for (const file of files) await one.sendFile(file, signal);
  return {};
}

/** Why files that somebody no longer wants sent are not there. */
export function sendingEnded(): VmError {
  return new VmError('State', 'The files were no longer to be sent. Those that had been sent before are there.', { code: 'sending-ended' });
}

function sharing(agent: GuestAgent | undefined): GuestAgent {
  if (!agent)
    throw VmError.config(
      'The box shares no clipboard and takes no files: its settings say clipboard: false. Change that, and start it again.',
      {
        code: 'no-clipboard',
      },
    );
  if (agent.isThere) return agent;
  throw new VmError(
    'State',
    'Nobody in the guest shares the clipboard or takes files: spice-vdagent does not run there, or its user has not logged in to a desktop yet.',
    { code: 'no-clipboard-agent' },
  );
}
