import { describe, expect, it } from 'vitest';
import { clipboardText } from './guest-clipboard';

describe('clipboardText', () => {
  it('takes text in UTF-8 for any selection', () => {
    expect(clipboardText('c;aGFsbG8=')).toBe('hallo');
    expect(clipboardText(';5L2g5aW9')).toBe('你好');
  });

  it.each(['c;?', 'c;', '', 'c', 'c;not base64', 'c;////', 'x;aGFsbG8=', `c;${'QUFB'.repeat(500_000)}`])(
    'makes nothing of %.20s',
    (data) => {
      expect(clipboardText(data)).toBeUndefined();
    },
  );
});
