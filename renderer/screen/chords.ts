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

/** What gives the keyboard back to the app (guest-keyboard.ts). */
export const RELEASE: readonly string[] = ['ControlLeft', 'AltLeft', 'KeyG'];

const NAMES: Readonly<Record<string, string>> = {
  ControlLeft: 'ctrl',
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
