import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { keyFor } from '../../engine/display/us-keyboard';
import { KNOWN_KEYS, keyCodeOf } from './key-codes';

/** KeyboardEvent.code of every key that a keyboard has, as W3C's standard names them (§3). */
const KEYBOARDS: Record<string, string> = {
  'PC with 105 keys': `Escape F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 F11 F12 PrintScreen ScrollLock Pause
    Backquote Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal Backspace
    Tab KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Enter
    CapsLock KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backslash
    ShiftLeft IntlBackslash KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash ShiftRight
    ControlLeft MetaLeft AltLeft Space AltRight MetaRight ContextMenu ControlRight
    Insert Home PageUp Delete End PageDown ArrowUp ArrowLeft ArrowDown ArrowRight
    NumLock NumpadDivide NumpadMultiply NumpadSubtract Numpad7 Numpad8 Numpad9 NumpadAdd Numpad4 Numpad5 Numpad6
    Numpad1 Numpad2 Numpad3 NumpadEnter Numpad0 NumpadDecimal`,
  'ABNT2, beside those': 'IntlRo NumpadComma',
  'JIS, beside those': 'IntlRo IntlYen Convert NonConvert KanaMode Lang3 Lang4 Lang5',
  'Korean, beside those': 'Lang1 Lang2',
  'Apple, beside those': `NumpadEqual F13 F14 F15 F16 F17 F18 F19 Help Eject Lang1 Lang2 IntlYen IntlRo
    AudioVolumeMute AudioVolumeDown AudioVolumeUp BrightnessDown BrightnessUp MediaPlayPause MediaTrackNext MediaTrackPrevious`,
};

const LINUX = '/usr/include/linux/input-event-codes.h';
/** What Linux calls keys, where that is not what W3C calls them, in capitals. */
const LINUX_NAMES: Record<string, string> = Object.fromEntries(
  `Escape=ESC BracketLeft=LEFTBRACE BracketRight=RIGHTBRACE ControlLeft=LEFTCTRL ControlRight=RIGHTCTRL ShiftLeft=LEFTSHIFT ShiftRight=RIGHTSHIFT
    AltLeft=LEFTALT AltRight=RIGHTALT MetaLeft=LEFTMETA MetaRight=RIGHTMETA ContextMenu=COMPOSE Quote=APOSTROPHE Backquote=GRAVE Period=DOT
    IntlBackslash=102ND IntlRo=RO IntlYen=YEN Lang1=HANGEUL Lang2=HANJA Lang3=KATAKANA Lang4=HIRAGANA Lang5=ZENKAKUHANKAKU Convert=HENKAN
    NonConvert=MUHENKAN KanaMode=KATAKANAHIRAGANA PrintScreen=SYSRQ NumpadMultiply=KPASTERISK NumpadSubtract=KPMINUS NumpadAdd=KPPLUS
    NumpadDecimal=KPDOT NumpadDivide=KPSLASH NumpadComma=KPCOMMA NumpadParenLeft=KPLEFTPAREN NumpadParenRight=KPRIGHTPAREN AudioVolumeMute=MUTE
    AudioVolumeDown=VOLUMEDOWN AudioVolumeUp=VOLUMEUP BrowserStop=STOP LaunchApp2=CALC LaunchMail=MAIL BrowserFavorites=BOOKMARKS
    LaunchApp1=COMPUTER BrowserBack=BACK BrowserForward=FORWARD Eject=EJECTCD MediaTrackNext=NEXTSONG MediaPlayPause=PLAYPAUSE
    MediaTrackPrevious=PREVIOUSSONG MediaStop=STOPCD BrowserHome=HOMEPAGE BrowserRefresh=REFRESH BrowserSearch=SEARCH MediaSelect=MEDIA`
    .split(/\s+/)
    .map((pair) => pair.split('=') as [string, string]),
);
function linuxName(key: string): string {
  return (
    LINUX_NAMES[key] ??
    key
      .replace(/^(Key|Digit|Arrow)(?=.)/, '')
      .replace(/^Numpad/, 'KP')
      .toUpperCase()
  );
}

describe('keyCodeOf', () => {
  it.each(Object.entries(KEYBOARDS))('knows every key of a keyboard: %s', (_, keys) => {
    expect(keys.split(/\s+/).filter((key) => keyCodeOf(key) === undefined)).toEqual([]);
  });

  it('has 105 keys on the first', () => {
    expect(new Set(KEYBOARDS['PC with 105 keys'].split(/\s+/)).size).toBe(105);
  });

  it("gives no two keys the same code, and none that the guest's keyboard does not have", () => {
    const codes = KNOWN_KEYS.map(keyCodeOf);
    expect(new Set(codes).size).toBe(KNOWN_KEYS.length);
    expect(codes.filter((code) => !(code !== undefined && code >= 1 && code <= 248))).toEqual([]);
  });

  it('agrees with what types text', () => {
    const keys: Record<string, string> = { '-': 'Minus', '=': 'Equal', '[': 'BracketLeft', ']': 'BracketRight', ';': 'Semicolon' };
    Object.assign(keys, { "'": 'Quote', '`': 'Backquote', '\\': 'Backslash', ',': 'Comma', '.': 'Period', '/': 'Slash' });
    Object.assign(keys, { '\n': 'Enter', '\t': 'Tab', ' ': 'Space' });
    for (const letter of 'abcdefghijklmnopqrstuvwxyz') keys[letter] = `Key${letter.toUpperCase()}`;
    for (const digit of '0123456789') keys[digit] = `Digit${digit}`;
    for (const [character, key] of Object.entries(keys)) expect([key, keyCodeOf(key)]).toEqual([key, keyFor(character)?.code]);
  });

  it.skipIf(!existsSync(LINUX))('has the numbers of Linux for all keys', () => {
    const header = new Map(
      [...readFileSync(LINUX, 'utf8').matchAll(/^#define\s+(KEY_\w+)\s+(0x[\da-f]+|\d+)/gm)].map(([, name, value]) => [
        name,
        Number(value),
      ]),
    );
    const wrong = KNOWN_KEYS.map((key) => [key, keyCodeOf(key), header.get(`KEY_${linuxName(key)}`)]).filter(
      ([, ours, theirs]) => ours !== theirs,
    );
    expect(wrong).toEqual([]);
    expect(header.size).toBeGreaterThan(300);
  });

  it.each(['', 'Unidentified', 'constructor', 'Fn'])('knows no "%s"', (key) => {
    expect(keyCodeOf(key)).toBeUndefined();
  });
});
