/** Longest address that is opened, in characters; longer ones cannot be read by a person, who has to say yes to them. */
export const LONGEST_LINK = 2048;

/**
 * A web address that a guest wrote, or undefined where it is none that may be opened: other schemes start programs, and a name before
 * the host (`https://bank.example@evil.example`) makes one host look like another.
 */
export function webAddress(text: string): URL | undefined {
  if (text.length > LONGEST_LINK || /[\p{Cc}\p{Cf}\s]/u.test(text) || !/^https?:\/\/[^/\\]/i.test(text)) return undefined;
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return undefined;
  }
  const isPlain =
    (url.protocol === 'http:' || url.protocol === 'https:') && url.username === '' && url.password === '' && url.hostname !== '';
  return isPlain && url.href.length <= 3 * LONGEST_LINK ? url : undefined;
}
