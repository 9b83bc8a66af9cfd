/** A mistake in JSON: `code` for the translations, `at` in characters from the start. */
export class JsonMistake extends Error {
  override readonly name = 'JsonMistake';
  constructor(
    readonly code: 'value' | 'string' | 'escape' | 'colon' | 'comma' | 'key' | 'twice' | 'end' | 'rest',
    readonly at: number,
  ) {
    super(`JSON mistake: ${code} at ${at}`);
  }
}

export interface JsonDocument {
  value: unknown;
  /** Where each value begins, by its path with dots; a property begins with its name. */
  places: Map<string, number>;
}

/** Deeper text is no settings file, and would end in an overflow. */
const DEEPEST = 32;

/** Read JSON, and where everything in it stands: what JSON.parse does not tell. Throws JsonMistake. */
export function readJson(text: string): JsonDocument {
  const places = new Map<string, number>();
  let at = 0;

  function fail(code: JsonMistake['code'], where = at): never {
    throw new JsonMistake(where >= text.length ? 'end' : code, where);
  }
  function space(): void {
    while (' \t\n\r'.includes(text[at] ?? 'x')) at++;
  }
  function string(): string {
    const start = at++;
    while (at < text.length && text[at] !== '"') {
      if (text[at] < ' ') fail('string');
      at += text[at] === '\\' ? 2 : 1;
    }
    if (at >= text.length) throw new JsonMistake('string', start);
    at++;
    try {
      return JSON.parse(text.slice(start, at)) as string;
    } catch {
      return fail('escape', start);
    }
  }
  function inside(path: string, key: string): string {
    return path === '' ? key : `${path}.${key}`;
  }
  function value(path: string, depth: number): unknown {
    space();
    if (!places.has(path)) places.set(path, at);
    if (depth > DEEPEST) fail('value');
    if (text[at] === '{') return object(path, depth);
    if (text[at] === '[') return array(path, depth);
    if (text[at] === '"') return string();
    const [word] = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])/.exec(text.slice(at, at + 400)) ?? [];
    if (word === undefined) return fail('value');
    at += word.length;
    return JSON.parse(word);
  }
  function object(path: string, depth: number): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    at++;
    space();
    if (text[at] === '}') {
      at++;
      return result;
    }
    for (;;) {
      space();
      if (text[at] !== '"') fail('key');
      const start = at;
      const key = string();
      if (Object.hasOwn(result, key)) fail('twice', start);
      places.set(inside(path, key), start);
      space();
      if (text[at] !== ':') fail('colon');
      at++;
      // A plain assignment would take __proto__ for something else.
      Object.defineProperty(result, key, {
        value: value(inside(path, key), depth + 1),
        enumerable: true,
        writable: true,
        configurable: true,
      });
      space();
      if (text[at] === '}') break;
      if (text[at] !== ',') fail('comma');
      at++;
    }
    at++;
    return result;
  }
  function array(path: string, depth: number): unknown[] {
    const result: unknown[] = [];
    at++;
    space();
    if (text[at] === ']') {
      at++;
      return result;
    }
    for (;;) {
      result.push(value(inside(path, String(result.length)), depth + 1));
      space();
      if (text[at] === ']') break;
      if (text[at] !== ',') fail('comma');
      at++;
    }
    at++;
    return result;
  }

  const document = { value: value('', 0), places };
  space();
  if (at < text.length) fail('rest');
  return document;
}

/** Line and column, from 1. */
export function positionOf(text: string, at: number): { line: number; column: number } {
  const before = text.slice(0, at).split('\n');
  return { line: before.length, column: before[before.length - 1].length + 1 };
}
