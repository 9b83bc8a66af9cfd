import { LOG_LEVELS, type LogLevel, type LogLine } from '../main/log-contract';

/** Lines of that level or a worse one, and of none; that hold all words that are looked for. */
export function shownLines(lines: readonly LogLine[], level: LogLevel, search: string): LogLine[] {
  const most = LOG_LEVELS.indexOf(level);
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return lines.filter(
    (line) =>
      (line.level === undefined || LOG_LEVELS.indexOf(line.level) <= most) && words.every((word) => line.text.toLowerCase().includes(word)),
  );
}
