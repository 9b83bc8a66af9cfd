import { describe, expect, it } from 'vitest';
import { shortcutOf } from './terminal-shortcut';

const key = (code: string, ...held: ('ctrlKey' | 'shiftKey' | 'altKey' | 'metaKey')[]) => ({
  code,
  ctrlKey: held.includes('ctrlKey'),
  shiftKey: held.includes('shiftKey'),
  altKey: held.includes('altKey'),
  metaKey: held.includes('metaKey'),
});

describe('shortcutOf', () => {
  it('leaves what programs in the guest use to the guest', () => {
    for (const plain of [key('KeyC', 'ctrlKey'), key('KeyV', 'ctrlKey'), key('KeyF', 'altKey'), key('KeyC'), key('F6', 'shiftKey')]) {
      expect(shortcutOf(plain, false)).toBeUndefined();
    }
    expect(shortcutOf(key('KeyC', 'ctrlKey'), true)).toBeUndefined();
  });

  it('keeps Ctrl+Shift, on macOS Cmd, with C, V and F, and F6 to leave', () => {
    expect(shortcutOf(key('KeyC', 'ctrlKey', 'shiftKey'), false)).toBe('copy');
    expect(shortcutOf(key('KeyV', 'ctrlKey', 'shiftKey'), false)).toBe('paste');
    expect(shortcutOf(key('KeyF', 'metaKey'), true)).toBe('find');
    expect(shortcutOf(key('F6'), false)).toBe('leave');
  });
});
