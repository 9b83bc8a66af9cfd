/**
 * What Windows opens as a device in every folder, in any case and whatever ending follows (learn.microsoft.com, "Naming Files, Paths, and
 * Namespaces"). The superscript digits count as digits there.
 */
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\.|$)/i;
/** What no file name of Windows may have; the colon would name a stream of another file. */
const FORBIDDEN = /[<>:"/\\|?*\x00-\x1f]/g;
/** Bytes of the longest name of most file systems are 255; something may be added. */
const NAME_BYTES = 200;

/** Whether Windows opens a device under this name, in whatever folder. */
export function isDeviceName(name: string): boolean {
  return DEVICE.test(name);
}

/** Why no file that goes from one computer to another may have this name; undefined if it may. */
export function unfitFileName(name: string): string | undefined {
  const device = DEVICE.exec(name)?.[1];
  if (device !== undefined) return `Windows has a device called ${device.toUpperCase()}, and no files with that name, whatever its ending`;
  const [forbidden] = name.match(FORBIDDEN) ?? [];
  if (forbidden !== undefined) return `Windows allows no ${describe(forbidden)} in a name`;
  if (/[. ]$/.test(name)) return 'Windows drops dots and spaces at the end of a name';
  return undefined;
}

function describe(character: string): string {
  return character < ' ' ? `control character U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}` : character;
}

/** Part of a file name made of any text, alike enough to be recognised. */
export function asFileName(text: string): string {
  const safe = text.replace(FORBIDDEN, '_').replace(/[. ]+$/, '_');
  let name = DEVICE.test(safe) ? `_${safe}` : safe;
  while (Buffer.byteLength(name) > NAME_BYTES) name = [...name].slice(0, -1).join('');
  return name || '_';
}
