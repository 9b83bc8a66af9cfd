export interface TableOptions {
  /** No line is longer than this: what stands in the columns `flexible`, the first of them first, is cut for it. */
  width?: number | undefined;
  flexible?: readonly number[];
}

/** A column that is cut keeps this much. */
const LEAST = 8;

/** Rows of text in columns as wide as their widest cell, two spaces apart. Columns in `right` are aligned to the right. */
export function formatTable(rows: string[][], right: readonly number[] = [], { width, flexible = [] }: TableOptions = {}): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) => Math.max(...rows.map((row) => widthOf(row[column] ?? ''))));
  let surplus = width === undefined ? 0 : widths.reduce((sum, one) => sum + one + 2, -2) - width;
  for (const column of flexible) {
    const less = Math.max(0, Math.min(surplus, widths[column] - LEAST));
    widths[column] -= less;
    surplus -= less;
  }
  const line = (row: string[]): string =>
    row
      .map((cell, column) => {
        const text = cut(cell, widths[column]);
        const space = ' '.repeat(widths[column] - widthOf(text));
        return right.includes(column) ? space + text : text + space;
      })
      .join('  ')
      .trimEnd();
  return `${rows.map((row) => (width === undefined ? line(row) : cut(line(row), width))).join('\n')}\n`;
}

const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/** The columns of a terminal that a text takes: East Asian letters take two, accents of their own none. */
function widthOf(text: string): number {
  return [...text].reduce((sum, letter) => sum + (/\p{M}/u.test(letter) ? 0 : WIDE.test(letter) ? 2 : 1), 0);
}

function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  const letters = [...text];
  while (letters.length > 0 && widthOf(letters.join('')) > width - 1) letters.pop();
  return `${letters.join('')}…`;
}
