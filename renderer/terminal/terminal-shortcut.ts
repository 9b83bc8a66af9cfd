export type TerminalShortcut = 'copy' | 'paste' | 'find' | 'larger' | 'smaller' | 'usual' | 'leave';

type Key = Pick<KeyboardEvent, 'code' | 'ctrlKey' | 'shiftKey' | 'altKey' | 'metaKey'>;

/** The few keys that the terminal keeps from the guest: Ctrl+Shift (on macOS: Cmd) with C, V, F, +, - and 0, and F6 to leave it. */
export function shortcutOf(key: Key, isMac: boolean): TerminalShortcut | undefined {
  const plain = !key.ctrlKey && !key.shiftKey && !key.altKey && !key.metaKey;
  if (key.code === 'F6' && plain) return 'leave';
  const chord = isMac
    ? key.metaKey && !key.ctrlKey && !key.altKey && !key.shiftKey
    : key.ctrlKey && key.shiftKey && !key.altKey && !key.metaKey;
  if (!chord) return undefined;
  switch (key.code) {
    case 'KeyC':
      return 'copy';
    case 'KeyV':
      return 'paste';
    case 'KeyF':
      return 'find';
    case 'Equal':
    case 'NumpadAdd':
      return 'larger';
    case 'Minus':
    case 'NumpadSubtract':
      return 'smaller';
    case 'Digit0':
    case 'Numpad0':
      return 'usual';
    default:
      return undefined;
  }
}
