import type { ScreenLook } from '../../main/contract';

/** Keys that a window system, or this app, takes before they get to a guest: KeyboardEvent.code from first to last. */
export const CHORDS: readonly (readonly string[])[] = [
  ['ControlLeft', 'AltLeft', 'Delete'],
  ['ControlLeft', 'AltLeft', 'Backspace'],
  ['ControlLeft', 'AltLeft', 'F1'],
  ['ControlLeft', 'AltLeft', 'F2'],
  ['ControlLeft', 'AltLeft', 'F3'],
  ['ControlLeft', 'AltLeft', 'F7'],
  ['AltLeft', 'Tab'],
  ['AltLeft', 'F4'],
  ['MetaLeft'],
  ['PrintScreen'],
  ['ControlLeft', 'AltLeft', 'KeyG'],
];

/** What can give keyboard and pointer back to the app: KeyboardEvent.code, the last of them is pressed while the others are held. */
export const RELEASES: Readonly<Record<ScreenLook['release'], readonly string[]>> = {
  'ctrl-alt-g': ['ControlLeft', 'AltLeft', 'KeyG'],
  'ctrl-shift-f12': ['ControlLeft', 'ShiftLeft', 'F12'],
  'right-ctrl': ['ControlRight'],
};

type Pressed = Pick<KeyboardEvent, 'type' | 'code' | 'ctrlKey' | 'altKey' | 'shiftKey' | 'metaKey' | 'getModifierState'>;

/** Whether a chord is pressed, with either key of each modifier but for the last. AltGr, which Windows has as Ctrl and Alt, is none of them. */
export function isPressed(chord: readonly string[], event: Pressed): boolean {
  const has = (modifier: string): boolean => chord.some((code) => code.startsWith(modifier));
  return (
    event.type === 'keydown' &&
    event.code === chord.at(-1) &&
    event.ctrlKey === has('Control') &&
    event.altKey === has('Alt') &&
    event.shiftKey === has('Shift') &&
    event.metaKey === has('Meta') &&
    !event.getModifierState('AltGraph')
  );
}

const NAMES: Readonly<Record<string, string>> = {
  ControlLeft: 'ctrl',
  ControlRight: 'rightCtrl',
  ShiftLeft: 'shift',
  AltLeft: 'alt',
  MetaLeft: 'meta',
  Delete: 'delete',
  Backspace: 'backspace',
  Tab: 'tab',
  PrintScreen: 'print',
};

/** A chord as its keys are labelled; `t` translates. On macOS the guest's Alt is Option. */
export function chordName(codes: readonly string[], t: (key: string) => string, isMac: boolean): string {
  return codes
    .map((code) => {
      const name = NAMES[code];
      if (name === undefined) return code.replace(/^Key/, '');
      if (isMac && name === 'ctrl') return t('display.key.control');
      return t(`display.key.${isMac && name === 'alt' ? 'option' : name}`);
    })
    .join('+');
}
