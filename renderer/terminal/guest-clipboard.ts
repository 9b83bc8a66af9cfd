/** Longest text that a guest may put on the clipboard, in bytes. */
const LONGEST = 1 << 20;

/**
 * What a guest wants on the clipboard, from the data of an OSC 52: `c;` and the text in base64. Undefined where it asks to read the
 * clipboard (`?`), and where it makes no sense.
 */
export function clipboardText(data: string): string | undefined {
  const [, encoded] = /^[cps0-7]*;([A-Za-z0-9+/]+={0,2})$/.exec(data.slice(0, 2 * LONGEST)) ?? [];
  if (encoded === undefined || encoded.length > (LONGEST * 4) / 3) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0)));
  } catch {
    return undefined;
  }
}
