import { keyFor } from '../us-keyboard';

// Keys by what clients call them, as codes of Linux's input-event-codes.h.

/** Keysyms of keys that print nothing (X11's keysymdef.h). */
const NAMED = new Map<number, number>([
  [0xff08, 14], // BackSpace
  [0xff09, 15], // Tab
  [0xff0d, 28], // Return
  [0xff13, 119], // Pause
  [0xff14, 70], // Scroll_Lock
  [0xff15, 99], // Sys_Req
  [0xff1b, 1], // Escape
  [0xff21, 92], // Muhenkan … of JIS keyboards
  [0xff22, 94],
  [0xff23, 92],
  [0xff27, 93],
  [0xff50, 102], // Home, arrows, pages, End
  [0xff51, 105],
  [0xff52, 103],
  [0xff53, 106],
  [0xff54, 108],
  [0xff55, 104],
  [0xff56, 109],
  [0xff57, 107],
  [0xff61, 99], // Print
  [0xff63, 110], // Insert
  [0xff67, 127], // Menu
  [0xff6b, 119], // Break
  [0xff7f, 69], // Num_Lock
  [0xff8d, 96], // the keypad: Enter, its other meanings, its signs
  [0xff95, 71],
  [0xff96, 75],
  [0xff97, 72],
  [0xff98, 77],
  [0xff99, 80],
  [0xff9a, 73],
  [0xff9b, 81],
  [0xff9c, 79],
  [0xff9d, 76],
  [0xff9e, 82],
  [0xff9f, 83],
  [0xffaa, 55],
  [0xffab, 78],
  [0xffac, 121],
  [0xffad, 74],
  [0xffae, 83],
  [0xffaf, 98],
  [0xffb0, 82], // its digits
  [0xffb1, 79],
  [0xffb2, 80],
  [0xffb3, 81],
  [0xffb4, 75],
  [0xffb5, 76],
  [0xffb6, 77],
  [0xffb7, 71],
  [0xffb8, 72],
  [0xffb9, 73],
  [0xffbd, 117],
  ...Array.from({ length: 10 }, (_, i): [number, number] => [0xffbe + i, 59 + i]), // F1 to F10
  [0xffc8, 87],
  [0xffc9, 88],
  ...Array.from({ length: 12 }, (_, i): [number, number] => [0xffca + i, 183 + i]), // F13 to F24
  [0xffe1, 42], // Shift, Control
  [0xffe2, 54],
  [0xffe3, 29],
  [0xffe4, 97],
  [0xffe5, 58], // Caps_Lock
  [0xffe7, 125], // Meta, Alt, Super
  [0xffe8, 126],
  [0xffe9, 56],
  [0xffea, 100],
  [0xffeb, 125],
  [0xffec, 126],
  [0xffff, 111], // Delete
  [0xfe03, 100], // ISO_Level3_Shift
  [0xfe20, 15], // ISO_Left_Tab
]);

/** Where Unicode begins among the keysyms. */
const UNICODE = 0x0100_0000;

/** What has to be pressed for a keysym; undefined where a US keyboard has nothing for it. */
export function keyOfKeysym(keysym: number): { code: number; isShifted?: boolean } | undefined {
  const code = NAMED.get(keysym);
  if (code !== undefined) return { code };
  const point = keysym >= UNICODE ? keysym - UNICODE : keysym;
  if (point < 0x20 || point > 0x7e) return undefined;
  return keyFor(String.fromCharCode(point));
}

/** Keys whose code among the scan codes of a PC (set 1) is not Linux's. From 0x80 on: those with 0xe0 before. */
const SCANCODES = new Map<number, number>([
  [0x54, 99],
  [0x59, 117],
  [0x5c, 95],
  ...Array.from({ length: 11 }, (_, i): [number, number] => [0x64 + i, 183 + i]), // F13 to F23
  [0x70, 93],
  [0x73, 89],
  [0x76, 194], // F24
  [0x77, 91],
  [0x78, 90],
  [0x79, 92],
  [0x7b, 94],
  [0x7d, 124],
  [0x7e, 121],
  [0x90, 165], // media: previous, next, mute, calculator, play, stop, volume, home page
  [0x99, 163],
  [0x9c, 96],
  [0x9d, 97],
  [0xa0, 113],
  [0xa1, 140],
  [0xa2, 164],
  [0xa4, 166],
  [0xae, 114],
  [0xb0, 115],
  [0xb2, 172],
  [0xb5, 98],
  [0xb7, 99],
  [0xb8, 100],
  [0xc5, 119],
  [0xc6, 119],
  [0xc7, 102],
  [0xc8, 103],
  [0xc9, 104],
  [0xcb, 105],
  [0xcd, 106],
  [0xcf, 107],
  [0xd0, 108],
  [0xd1, 109],
  [0xd2, 110],
  [0xd3, 111],
  [0xdb, 125],
  [0xdc, 126],
  [0xdd, 127],
  [0xde, 116], // power, sleep, wake up
  [0xdf, 142],
  [0xe3, 143],
  [0xe5, 217], // the browser's: search, favourites, refresh, stop, forward, back; mail
  [0xe6, 156],
  [0xe7, 173],
  [0xe8, 128],
  [0xe9, 159],
  [0xea, 158],
  [0xec, 155],
]);

/** The key of a scan code, as QEMU's extended key events have them; undefined where there is none. */
export function keyOfScancode(scancode: number): number | undefined {
  const code = SCANCODES.get(scancode);
  if (code !== undefined) return code;
  return (scancode >= 1 && scancode <= 0x53) || (scancode >= 0x56 && scancode <= 0x58) ? scancode : undefined;
}
