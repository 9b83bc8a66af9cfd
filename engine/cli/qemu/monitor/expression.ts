/** A name behind `$`: a register of the hart that is looked at. */
export type Register = (name: string) => bigint | undefined;

const MASK = 0xffff_ffff_ffff_ffffn;
/** By how tightly they bind, loosest first. */
const OPERATORS: readonly Readonly<Record<string, (a: bigint, b: bigint) => bigint>>[] = [
  { '&': (a, b) => a & b, '|': (a, b) => a | b, '^': (a, b) => a ^ b },
  { '+': (a, b) => a + b, '-': (a, b) => a - b },
  { '*': (a, b) => a * b, '/': (a, b) => divided(a, b, 'a / b'), '%': (a, b) => divided(a, b, 'a % b') },
];
/** How deep brackets and signs lie in one another at most. */
const DEPTH = 64;

/** What is wrong with a line that was typed at the monitor. */
export class MonitorError extends Error {}

/** The value of an expression of 64 bits at the start of the text, and what stands behind it. Throws MonitorError. */
export function evaluate(text: string, register: Register): { value: bigint; rest: string } {
  let at = 0;
  const skip = (): void => {
    while (/\s/.test(text[at] ?? '')) at++;
  };
  const sum = (level: number, depth: number): bigint => {
    if (level === OPERATORS.length) return unary(depth);
    let value = sum(level + 1, depth);
    for (;;) {
      skip();
      const operator = OPERATORS[level][text[at] ?? ''];
      if (!Object.hasOwn(OPERATORS[level], text[at] ?? '')) return value;
      at++;
      value = operator(value, sum(level + 1, depth)) & MASK;
    }
  };
  const unary = (depth: number): bigint => {
    if (depth > DEPTH) throw new MonitorError('the expression lies too deep');
    skip();
    const sign = text[at];
    if (sign === '+' || sign === '-' || sign === '~') {
      at++;
      const value = unary(depth + 1);
      return (sign === '-' ? -value : sign === '~' ? ~value : value) & MASK;
    }
    if (sign === '(') {
      at++;
      const value = sum(0, depth + 1);
      skip();
      if (text[at] !== ')') throw new MonitorError("')' expected");
      at++;
      return value;
    }
    const [token] = /^(?:'.'|\$[\w.]+|0x[0-9a-f]+|\d+)/i.exec(text.slice(at)) ?? [];
    if (token === undefined)
      throw new MonitorError(at >= text.length ? 'unexpected end of expression' : `invalid char '${text[at]}' in expression`);
    at += token.length;
    if (token.startsWith("'")) return BigInt(token.charCodeAt(1));
    if (!token.startsWith('$')) return BigInt(/^0[0-7]+$/.test(token) ? `0o${token.slice(1)}` : token) & MASK;
    const value = register(token.slice(1));
    if (value === undefined) throw new MonitorError('unknown register');
    return value & MASK;
  };
  const value = sum(0, 0);
  return { value, rest: text.slice(at).trimStart() };
}

function divided(a: bigint, b: bigint, what: 'a / b' | 'a % b'): bigint {
  if (b === 0n) throw new MonitorError('division by zero');
  return what === 'a / b' ? a / b : a % b;
}
