/** How far a guest's start is, by what it writes to its console. `ready`: somebody can log in, or type. */
export const BOOT_STAGES = ['firmware', 'loader', 'kernel', 'init', 'services', 'ready'] as const;
export type BootStage = (typeof BOOT_STAGES)[number];

/** What shows that a stage has begun; whole lines, without colours. */
const LINES: [BootStage, RegExp][] = [
  ['firmware', /^OpenSBI v\d/],
  ['loader', /^U-Boot (SPL )?\d{4}\.|^UEFI firmware \(version|^BdsDxe: |GNU GRUB|^Welcome to GRUB|>> FreeBSD EFI boot block|^EFI stub: /],
  ['kernel', /^Starting kernel \.\.\.|^\[ +0\.\d+\] Linux version |^---<<BOOT>>---|^xv6 kernel is booting/],
  ['init', /\] Run \/\S+ as init process|\] Freeing unused kernel image|^init: starting |^BusyBox v\d/],
  ['services', /systemd\[1\]: |^Welcome to .+!$|^\[ +OK +\] |^INIT: version |^ \* (Starting|Mounting) |^OpenRC /],
];
/** The last line, that has no end yet: somebody is asked for something. */
const PROMPT = /(?:^|\s)login: ?$|^\S*[\w\])~][$#>] ?$|^[#$~] $/;
/** A boot loader asks too, and a kernel's debugger. */
const NO_PROMPT = /^(=>|grub>|Shell>|UEFI Interactive|kdb|ok) ?$/i;

/** The stage whose beginning a line shows. */
export function stageOf(line: string): BootStage | undefined {
  return LINES.find(([, pattern]) => pattern.test(line))?.[0];
}

/** Whether a boot loader, or a kernel's debugger, waits for input in that line. */
export function isLoaderPrompt(rest: string): boolean {
  return NO_PROMPT.test(rest);
}

/** Whether somebody waits for input in that line, which has no end yet. */
export function isPrompt(rest: string): boolean {
  return PROMPT.test(rest) && !NO_PROMPT.test(rest);
}
