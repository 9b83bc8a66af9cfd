import { z } from 'zod';
import { option } from './option';

/** Those of systems. */
export const SYSTEM_ICONS = ['debian', 'ubuntu', 'fedora', 'alpine', 'opensuse', 'freebsd'] as const;
export const ICONS = ['box', 'penguin', 'chip', 'terminal', 'book', 'flask', 'server', 'shield', ...SYSTEM_ICONS] as const;

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
      debian: 'Debian',
      ubuntu: 'Ubuntu',
      fedora: 'Fedora',
      alpine: 'Alpine',
      opensuse: 'openSUSE',
      freebsd: 'FreeBSD',
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
  sshUser: option(
    z
      .string()
      .regex(/^[a-z_][a-z0-9_.-]{0,31}$/, 'expected is the name of an account')
      .default('root'),
    {
      label: 'SSH user',
      help: 'whom hartbox ssh and hartbox cp are in the guest, unless they are told another',
      page: 'network',
      kind: 'text',
      effect: 'live',
      advanced: true,
      cli: { value: 'NAME' },
    },
  ),
  autostart: option(z.boolean().default(false), {
    label: 'Start with Hartbox',
    help: 'start the box when the app starts',
    page: 'general',
    kind: 'switch',
    effect: 'live',
  }),
  build: option(z.string().max(4096).default(''), {
    label: 'Build command',
    help: 'a command of this computer that makes the files from which the box starts anew, such as make: see hartbox dev. An imported box never has one',
    page: 'start',
    kind: 'text',
    effect: 'live',
    advanced: true,
  }),
  buildFolder: option(z.string().min(1).optional(), {
    label: 'Build folder',
    help: 'the folder in which the build command runs: that of its sources',
    page: 'start',
    kind: 'folder',
    effect: 'live',
    advanced: true,
  }),
  buildWatch: option(z.boolean().default(true), {
    label: 'Build when a file is saved',
    help: 'once the box was built and started: whenever a file in the build folder is saved, build and start again',
    page: 'start',
    kind: 'switch',
    effect: 'live',
    advanced: true,
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
