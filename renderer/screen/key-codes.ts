/**
 * The keys of all keyboards that people have, by where they are: KeyboardEvent.code (W3C UI Events KeyboardEvent code Values) → Linux's code
 * (input-event-codes.h). What a key means is up to the layout that the guest is set to.
 */
const KEY_CODES: Readonly<Record<string, number>> = {
  Escape: 1,
  ...inRow(2, 'Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal Backspace'),
  ...inRow(15, 'Tab KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Enter'),
  ...inRow(29, 'ControlLeft KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backquote'),
  ...inRow(42, 'ShiftLeft Backslash KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash ShiftRight NumpadMultiply'),
  ...inRow(56, 'AltLeft Space CapsLock F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 NumLock ScrollLock'),
  ...inRow(71, 'Numpad7 Numpad8 Numpad9 NumpadSubtract Numpad4 Numpad5 Numpad6 NumpadAdd Numpad1 Numpad2 Numpad3 Numpad0 NumpadDecimal'),
  // Lang5 is Hankaku/Zenkaku, IntlBackslash the key beside the left Shift of ISO keyboards.
  ...inRow(85, 'Lang5 IntlBackslash F11 F12'),
  // What ABNT2 has beside the right Shift and JIS too; then the rest of JIS, and of Apple's JIS.
  ...inRow(89, 'IntlRo Lang3 Lang4 Convert KanaMode NonConvert'),
  ...inRow(96, 'NumpadEnter ControlRight NumpadDivide PrintScreen AltRight'),
  ...inRow(102, 'Home ArrowUp PageUp ArrowLeft ArrowRight End ArrowDown PageDown Insert Delete'),
  ...inRow(113, 'AudioVolumeMute AudioVolumeDown AudioVolumeUp Power NumpadEqual'),
  // The second separator of the ABNT2's number pad; Hangul and Hanja, on Apple's JIS Kana and Eisu; Yen.
  ...inRow(119, 'Pause'),
  ...inRow(121, 'NumpadComma Lang1 Lang2 IntlYen MetaLeft MetaRight ContextMenu BrowserStop Again Props Undo'),
  ...inRow(133, 'Copy Open Paste Find Cut Help'),
  ...inRow(140, 'LaunchApp2'),
  ...inRow(142, 'Sleep WakeUp'),
  ...inRow(155, 'LaunchMail BrowserFavorites LaunchApp1 BrowserBack BrowserForward'),
  ...inRow(161, 'Eject'),
  ...inRow(163, 'MediaTrackNext MediaPlayPause MediaTrackPrevious MediaStop'),
  ...inRow(172, 'BrowserHome BrowserRefresh'),
  ...inRow(179, 'NumpadParenLeft NumpadParenRight'),
  ...inRow(183, 'F13 F14 F15 F16 F17 F18 F19 F20 F21 F22 F23 F24'),
  ...inRow(217, 'BrowserSearch'),
  ...inRow(224, 'BrightnessDown BrightnessUp MediaSelect'),
};

/** Keys whose codes follow each other. */
function inRow(first: number, keys: string): Record<string, number> {
  return Object.fromEntries(keys.split(' ').map((key, i) => [key, first + i]));
}

/** Undefined for a key that the guest's keyboard does not have. */
export function keyCodeOf(code: string): number | undefined {
  return Object.hasOwn(KEY_CODES, code) ? KEY_CODES[code] : undefined;
}

/** All keys that there are, by KeyboardEvent.code. */
export const KNOWN_KEYS: readonly string[] = Object.keys(KEY_CODES);
