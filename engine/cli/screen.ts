import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { VmError } from '../errors/vm-error';
import type { ControlClient } from '../runner/control-client';
import type { Arguments } from '../runner/control';
import { CLICK, SCREENSHOT, TYPE } from './commands/looking';
import { nothingMore, parseBoxCommand, runningBox } from './running-box';
import { UsageError } from './usage-error';
import { KEY_LEFTSHIFT, keyFor } from '../display/us-keyboard';

// Of Linux's input-event-codes.h.
const [EV_KEY, EV_ABS] = [1, 3];
const [ABS_X, ABS_Y] = [0, 1];
const BUTTONS: Readonly<Record<string, number>> = { left: 0x110, right: 0x111, middle: 0x112 };
/** As far as the tablet's axes go, across the whole screen. */
const ACROSS = 32767;
/**
 * Events that are typed at once, and the milliseconds until the next ones. Linux keeps 64 for each program that reads a keyboard (EVDEV_MIN_BUFFER_SIZE
 * of drivers/input/evdev.c), and drops them all when they become more: a graphical desktop that is busy has the time of four bursts to fetch them.
 */
const BURST_EVENTS = 16;
const BURST_MS = 40;

/** `hartbox screenshot`. */
export async function screenshot(args: string[]): Promise<number> {
  const { values, name, rest } = parseBoxCommand(SCREENSHOT, args);
  const [file, ...surplus] = rest;
  if (file === undefined) throw new UsageError('Which file is the picture to be written to?', 'screenshot');
  nothingMore('screenshot', surplus);
  const { client } = await runningBox(name);
  await client.call('screenshot', { file: resolve(file), screen: screenNumber(values.screen) });
  client.close();
  return 0;
}

/** `hartbox type`. */
export async function type(args: string[]): Promise<number> {
  const { values, name, rest } = parseBoxCommand(TYPE, args);
  const [text, ...surplus] = rest;
  if (text === undefined) throw new UsageError('Which text is to be typed?', 'type');
  nothingMore('type', surplus);
  // Of other letters no key is known: they are pasted.
  const pasted = [...text].find((character) => !keyFor(character));
  const reports = [...(pasted === undefined ? text : ''), ...(values.enter ? ['\n'] : [])].map(strokesFor);
  const { client } = await runningBox(name);
  if (pasted !== undefined)
    await client.call('insert-text', { text }).catch((error: unknown) => {
      if (!(error instanceof VmError)) throw error;
      throw new VmError(error.kind, `No key of a US keyboard is '${pasted}', so the text is to be pasted. ${error.message}`);
    });
  for (const [index, burst] of burstsOf(reports).entries()) {
    if (index > 0) await delay(BURST_MS);
    await report(client, 'keyboard', burst);
  }
  client.close();
  return 0;
}

/** `hartbox click`. */
export async function click(args: string[]): Promise<number> {
  const { values, name, rest } = parseBoxCommand(CLICK, args);
  const [x, y, ...surplus] = rest;
  if (x === undefined || y === undefined)
    throw new UsageError('Where to? Name the pixel: how far from the left, and how far down.', 'click');
  nothingMore('click', surplus);
  const button = BUTTONS[values.button ?? 'left'];
  if (button === undefined)
    throw new UsageError(`There is no button '${values.button}'; there are ${Object.keys(BUTTONS).join(', ')}.`, 'click');
  const [column, row] = [numberOf('X', x), numberOf('Y', y)];
  const screen = screenNumber(values.screen);
  const { id, client } = await runningBox(name);
  const { screens } = await client.call('screens', {});
  const { width, height } = screens[screen] ?? {};
  if (width === undefined || height === undefined)
    throw new VmError(
      'State',
      `The guest of ${id} shows nothing on ${screens.length > 1 ? `screen ${screen}` : 'a screen'}: there is nothing to click at.`,
    );
  if (column >= width || row >= height)
    throw new UsageError(`The screen has ${width} × ${height} pixels: ${x}, ${y} is beyond it.`, 'click');
  const along = (at: number, size: number): number => Math.round((at * ACROSS) / Math.max(size - 1, 1));
  const press = (value: number): Reports[number] => [{ type: EV_KEY, code: button, value }];
  const at: Reports[number] = [
    { type: EV_ABS, code: ABS_X, value: along(column, width) },
    { type: EV_ABS, code: ABS_Y, value: along(row, height) },
  ];
  const once = [press(1), press(0)];
  await report(client, 'tablet', [at, ...once, ...(values.double ? once : [])], screen);
  client.close();
  return 0;
}

type Reports = Arguments<'input'>['reports'];

async function report(client: ControlClient, device: 'keyboard' | 'tablet', reports: Reports, screen?: number): Promise<void> {
  const { isHeard } = await client.call('input', { device, reports, screen });
  if (!isHeard)
    throw new VmError('State', `Nothing in the guest listens to its ${device}: it has not started that far, or does not keep up.`);
}

/** What is reported at once: characters as a whole, as many as there may be. */
export function burstsOf(characters: readonly Reports[]): Reports[] {
  const bursts: Reports[] = [];
  let room = 0;
  for (const reports of characters) {
    // Each report ends with an event of its own.
    const events = reports.reduce((sum, report) => sum + report.length + 1, 0);
    if (events > room) {
      bursts.push([]);
      room = BURST_EVENTS;
    }
    bursts[bursts.length - 1].push(...reports);
    room -= events;
  }
  return bursts;
}

/** What a keyboard reports of a character: keys go down and up. */
export function strokesFor(character: string): Reports {
  const key = keyFor(character);
  if (!key) throw new UsageError(`A US keyboard cannot type '${character}'.`, 'type');
  const event = (code: number, value: number): Reports[number] => [{ type: EV_KEY, code, value }];
  const stroke = [event(key.code, 1), event(key.code, 0)];
  return key.isShifted ? [event(KEY_LEFTSHIFT, 1), ...stroke, event(KEY_LEFTSHIFT, 0)] : stroke;
}

export function screenNumber(text = '0'): number {
  return numberOf('A screen', text);
}

function numberOf(what: string, text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new UsageError(`${what} is a whole number, not '${text}'.`);
  return Number(text);
}
