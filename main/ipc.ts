import { z } from 'zod';
import { vmIdSchema } from '../engine/runner/library';
import { CHANNEL_KINDS } from '../engine/runner/channel';
import { VmError } from '../engine/errors/vm-error';
import { reportError } from '../engine/runner/error-report';
import { APP_ORIGIN } from './asset-protocol';
import { boxArguments } from './box-requests';
import type { Answer, RequestName, Requests } from './contract';
import { habitsSchema } from './habits';
import { insideArguments } from './inside-requests';
import { imageArguments } from './image-requests';
import { LONGEST_LINK } from './link';
import { logArguments } from './log-requests';
import { networkArguments } from './network-requests';
import { languageSchema, lookSchema, screenLookSchema, themeSchema } from './preferences';

const vm = z.tuple([vmIdSchema]);
const screen = z.number().int().min(0).max(15);
const PNG = '\x89PNG\r\n\x1a\n';
const png = z
  .instanceof(Uint8Array)
  .refine((bytes) => bytes.length <= 256 << 20 && Buffer.from(bytes.subarray(0, PNG.length)).toString('latin1') === PNG);

/** What each request may carry. */
const argumentSchemas: { [N in RequestName]: z.ZodType<Parameters<Requests[N]>> } = {
  ...boxArguments,
  ...insideArguments,
  ...imageArguments,
  ...logArguments,
  ...networkArguments,
  'app.info': z.tuple([]),
  'app.set-theme': z.tuple([themeSchema]),
  'app.set-language': z.tuple([languageSchema]),
  'app.set-look': z.tuple([lookSchema]),
  'app.set-screen': z.tuple([screenLookSchema]),
  'app.set-habits': z.tuple([habitsSchema]),
  'app.check-update': z.tuple([]),
  'app.set-full-screen': z.tuple([z.boolean()]),
  'app.show-page': z.tuple([z.string().startsWith('/').max(2000)]),
  'app.open-link': z.tuple([z.string().max(LONGEST_LINK)]),
  'app.close': z.tuple([z.enum(['keep-running', 'shut-down', 'force-off', 'cancel']), z.boolean()]),
  'app.opened-files': z.tuple([]),
  'doctor.diagnose': z.tuple([z.strictObject({ renderer: z.string().max(1000).nullable() })]),
  'doctor.save-report': z.tuple([]),
  'clipboard.write': z.tuple([z.string().max(16 << 20)]),
  'clipboard.read': z.tuple([]),
  'library.list': z.tuple([]),
  'library.show-files': vm,
  'library.rename': z.tuple([vmIdSchema, z.string().trim().min(1).max(100)]),
  'vm.start': vm,
  'vm.power-off': vm,
  'vm.force-off': vm,
  'vm.pause': vm,
  'vm.resume': vm,
  'vm.reset': vm,
  'vm.debug': vm,
  'vm.restart': vm,
  'vm.build': vm,
  'vm.connect': z.tuple([vmIdSchema, z.enum(CHANNEL_KINDS)]),
  'vm.screen-window': z.tuple([vmIdSchema, screen, z.boolean()]),
  'vm.screenshot': z.tuple([vmIdSchema, screen]),
  'recording.begin': vm,
  'recording.write': z.tuple([z.number().int().positive(), z.instanceof(Uint8Array).refine((data) => data.length <= 256 << 20)]),
  'recording.end': z.tuple([z.number().int().positive()]),
  'vm.give-clipboard': z.tuple([vmIdSchema, z.boolean()]),
  'vm.take-clipboard': vm,
  'vm.insert-text': z.tuple([
    vmIdSchema,
    z
      .string()
      .min(1)
      .max(1 << 20),
  ]),
  'vm.keep-clipboard': z.tuple([
    vmIdSchema,
    z
      .string()
      .max(16 << 20)
      .nullable(),
    png.nullable(),
  ]),
  'vm.send-files': z.tuple([vmIdSchema, z.array(z.string().min(1).max(4096)).min(1).max(1000)]),
  'vm.cancel-files': vm,
  'vm.set-volume': z.tuple([vmIdSchema, z.number().int().min(0).max(100), z.boolean()]),
  'vm.microphone': z.tuple([vmIdSchema, z.boolean()]),
};

/** Whoever sent a request: the parts of Electron's event that decide whether to listen. */
export interface Sender {
  /** URL of the frame; undefined once the frame is gone. */
  url: string | undefined;
  isMainFrame: boolean;
}

export type RequestHandlers = {
  [N in RequestName]: (...args: Parameters<Requests[N]>) => ReturnType<Requests[N]> | Promise<ReturnType<Requests[N]>>;
};

/** Answer a request of the window: only to the app's own main frame, only with valid arguments. */
export async function answerRequest<N extends RequestName>(
  handlers: RequestHandlers,
  name: N,
  sender: Sender,
  args: unknown[],
): Promise<Answer<ReturnType<Requests[N]>>> {
  try {
    if (!isTrusted(sender))
      throw new VmError(
        'Internal',
        `A request "${name}" came from ${sender.url ?? 'a closed page'}, which is not the app's window. It was refused.`,
      );
    const schema: z.ZodType<Parameters<Requests[N]>> = argumentSchemas[name];
    const parsed = schema.safeParse(args);
    if (!parsed.success) throw new VmError('Internal', `The request "${name}" has invalid arguments: ${z.prettifyError(parsed.error)}`);
    return { ok: true, value: await handlers[name](...parsed.data) };
  } catch (error) {
    return { ok: false, error: reportError(error) };
  }
}

function isTrusted(sender: Sender): boolean {
  if (!sender.isMainFrame || sender.url === undefined) return false;
  return sender.url === APP_ORIGIN || sender.url.startsWith(`${APP_ORIGIN}/`);
}
