import { z } from 'zod';
import { option } from './option';

/** How the host runs the box; the guest sees nothing of it. */
export const hostSchema = z.strictObject({
  jit: option(z.boolean().default(true), {
    label: 'Translate guest code',
    help: 'translate hot code to WebAssembly; off, everything is interpreted, many times slower',
    page: 'host',
    kind: 'switch',
    effect: 'restart',
    advanced: true,
  }),
  reboot: option(z.boolean().default(true), {
    label: 'Reboot',
    help: 'on: a guest that asks for a reboot gets one; off: it ends the box',
    page: 'host',
    kind: 'switch',
    effect: 'restart',
    advanced: true,
  }),
  priority: option(z.enum(['normal', 'low']).default('normal'), {
    label: 'Priority',
    help: 'low: other programs of the host come first',
    page: 'host',
    kind: 'choice',
    effect: 'live',
    choices: { normal: 'normal', low: 'low' },
  }),
  hostSleep: option(z.enum(['hold', 'run']).default('hold'), {
    label: 'While the host sleeps',
    help: "hold: the guest's clock stands still while the host sleeps or stops this program for 2 s or more, as while the box is paused; hwclock -s in the guest sets the time of day afterwards. run: it goes on, and the guest finds a gap, of which watchdogs may complain",
    page: 'host',
    kind: 'choice',
    effect: 'restart',
    choices: { hold: "guest's clock stands still", run: "guest's clock goes on" },
    advanced: true,
  }),
});
