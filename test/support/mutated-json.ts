import fc from 'fast-check';

type Path = (string | number)[];

/** Something that does not belong where it stands, or does, by chance. */
const anything = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    -1,
    0,
    0.5,
    1,
    255,
    65536,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    2 ** 64,
    1e300,
    '',
    'x',
    'AAAA',
    '-1',
    [],
    {},
    [[]],
  ),
  fc.jsonValue(),
);

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  const inner = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return [path, ...inner.flatMap(([key, one]) => pathsOf(one, [...path, key]))];
}

/** A copy of JSON data in which one thing, anywhere, is another, is gone, or has something beside it. */
export function mutatedJson(value: unknown): fc.Arbitrary<unknown> {
  // Shallow places as often as the many deep ones.
  const byDepth: Path[][] = [];
  for (const one of pathsOf(value)) byDepth[one.length] = [...(byDepth[one.length] ?? []), one];
  const path = fc.constantFrom(...byDepth).chain((same) => fc.constantFrom(...same));
  return fc.tuple(path, fc.constantFrom('replace', 'remove', 'add'), anything, fc.string()).map(([where, how, what, key]) => {
    const root = { value: structuredClone(value) };
    let holder = root as Record<string | number, unknown>;
    let last: string | number = 'value';
    for (const step of where) {
      holder = holder[last] as Record<string | number, unknown>;
      last = step;
    }
    const target = holder[last];
    if (how === 'add' && Array.isArray(target)) target.push(what);
    else if (how === 'add' && typeof target === 'object' && target !== null) Object.assign(target, { [`${key}+`]: what });
    else if (how === 'remove' && Array.isArray(holder)) holder.splice(Number(last), 1);
    else if (how === 'remove' && where.length > 0) delete holder[last];
    else holder[last] = what;
    return root.value;
  });
}
