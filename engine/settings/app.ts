import { z } from 'zod';
import { option } from './option';

export const ICONS = ['box', 'penguin', 'chip', 'terminal', 'book', 'flask', 'server', 'shield'] as const;

/** How app and command line show the box; the engine does not look at it. */
export const appSchema = z.strictObject({
  name: option(z.string().trim().min(1).max(64).default('Hartbox'), {
    label: 'Name',
    help: 'what the box is called',
    page: 'general',
    kind: 'text',
    effect: 'live',
    cli: { value: 'NAME' },
  }),
  icon: option(z.enum(ICONS).default('box'), {
    label: 'Icon',
    help: 'its picture in the library',
    page: 'general',
    kind: 'choice',
    effect: 'live',
    choices: {
      box: 'box',
      penguin: 'penguin',
      chip: 'chip',
      terminal: 'terminal',
      book: 'book',
      flask: 'flask',
      server: 'server',
      shield: 'shield',
    },
  }),
  tags: option(z.array(z.string().trim().min(1).max(32)).max(16).default([]), {
    label: 'Tags',
    help: 'words by which to find it, with commas between them',
    page: 'general',
    kind: 'words',
    effect: 'live',
  }),
  notes: option(z.string().max(10_000).default(''), {
    label: 'Notes',
    help: 'what you want to remember about it',
    page: 'general',
    kind: 'lines',
    effect: 'live',
  }),
  autostart: option(z.boolean().default(false), {
    label: 'Start with Hartbox',
    help: 'start the box when the app starts',
    page: 'general',
    kind: 'switch',
    effect: 'live',
  }),
  bell: option(z.enum(['none', 'visual', 'sound']).default('visual'), {
    label: 'Bell',
    help: 'what a bell character of the guest does in the terminal of the app',
    page: 'terminal',
    kind: 'choice',
    effect: 'live',
    choices: { none: 'nothing', visual: 'flash', sound: 'sound' },
  }),
  volume: option(z.number().int().min(0).max(100).default(100), {
    label: 'Volume',
    help: 'how loud what the guest plays is in the app, in percent',
    page: 'general',
    kind: 'count',
    effect: 'live',
    advanced: true,
  }),
  muted: option(z.boolean().default(false), {
    label: 'Mute',
    help: 'nothing of what the guest plays is heard in the app',
    page: 'general',
    kind: 'switch',
    effect: 'live',
    advanced: true,
  }),
  guestTitle: option(z.boolean().default(false), {
    label: 'Guest may set the title',
    help: 'show the title that programs in the guest set, beside the name of the box',
    page: 'terminal',
    kind: 'switch',
    effect: 'live',
  }),
  guestClipboard: option(z.boolean().default(false), {
    label: 'Guest may write the clipboard',
    help: 'programs in the guest may put text into the clipboard of the host (OSC 52); they can never read it',
    page: 'terminal',
    kind: 'switch',
    effect: 'live',
  }),
});
