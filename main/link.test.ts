import { describe, expect, it } from 'vitest';
import { webAddress } from './link';

describe('webAddress', () => {
  it.each([
    ['https://example.org', 'https://example.org/', 'example.org'],
    ['HTTP://example.org:8080/a?b#c', 'http://example.org:8080/a?b#c', 'example.org:8080'],
    ['http://[::1]/', 'http://[::1]/', '[::1]'],
    // As it is, not as it looks: the first letter is Cyrillic.
    ['https://аpple.com/', 'https://xn--pple-43d.com/', 'xn--pple-43d.com'],
  ])('takes %s', (text, href, host) => {
    const url = webAddress(text);
    expect([url?.href, url?.host]).toEqual([href, host]);
  });

  it.each([
    'file:///etc/passwd',
    'javascript:alert(1)',
    'vscode://open',
    'https:example.org',
    'https:///example.org',
    'https://\\example.org',
    'https://bank.example@evil.example/',
    'https://user:secret@evil.example/',
    'https://example.org/\u202Egro.elpmaxe',
    'https://example.org/\n',
    ' https://example.org/',
    'https://',
    'https://exa mple.org/',
    `https://example.org/${'a'.repeat(2048)}`,
    '',
  ])('refuses %j', (text) => {
    expect(webAddress(text)).toBeUndefined();
  });
});
