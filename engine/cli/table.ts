/** Rows of text in columns as wide as their widest cell, two spaces apart. Columns in `right` are aligned to the right. */
export function formatTable(rows: string[][], right: number[] = []): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const line = (row: string[]): string =>
    row
      .map((cell, column) => (right.includes(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column])))
      .join('  ')
      .trimEnd();
  return `${rows.map(line).join('\n')}\n`;
}
