/** Which of two versions is older (deb-version(5)): negative where it is `a`, 0 where they are the same. */
export function compareVersions(a: string, b: string): number {
  const [one, other] = [split(a), split(b)];
  return one.epoch - other.epoch || compareParts(one.upstream, other.upstream) || compareParts(one.revision, other.revision);
}

/** Whether a version is what a relation asks for: `>=`, `>>`, `=`, `<<`, `<=`. */
export function satisfies(version: string, operator: string, wanted: string): boolean {
  const order = compareVersions(version, wanted);
  if (operator === '>=') return order >= 0;
  if (operator === '<=') return order <= 0;
  if (operator === '>>') return order > 0;
  if (operator === '<<') return order < 0;
  return order === 0;
}

function split(version: string): { epoch: number; upstream: string; revision: string } {
  const [, epoch = '0', upstream, revision = ''] = /^(?:(\d+):)?(.*?)(?:-([^-]*))?$/.exec(version) ?? [];
  return { epoch: Number(epoch), upstream: upstream ?? '', revision };
}

/** By turns what is no number, a character at a time, and numbers. */
function compareParts(a: string, b: string): number {
  let [left, right] = [a, b];
  while (left !== '' || right !== '') {
    const [text, otherText] = [left, right].map((rest) => /^\D*/.exec(rest)?.[0] ?? '');
    for (let at = 0; at < Math.max(text.length, otherText.length); at++) {
      const order = rank(text[at]) - rank(otherText[at]);
      if (order !== 0) return order;
    }
    left = left.slice(text.length);
    right = right.slice(otherText.length);
    const [digits, otherDigits] = [left, right].map((rest) => /^\d*/.exec(rest)?.[0] ?? '');
    const [number, otherNumber] = [digits, otherDigits].map((one) => one.replace(/^0+/, ''));
    // Of any length, so as text.
    if (number.length !== otherNumber.length) return number.length - otherNumber.length;
    if (number !== otherNumber) return number < otherNumber ? -1 : 1;
    left = left.slice(digits.length);
    right = right.slice(otherDigits.length);
  }
  return 0;
}

/** A tilde sorts before the end, the end before letters, letters before all else. */
function rank(character: string | undefined): number {
  if (character === '~') return -1;
  if (character === undefined) return 0;
  const code = character.charCodeAt(0);
  return /[A-Za-z]/.test(character) ? code : code + 256;
}
