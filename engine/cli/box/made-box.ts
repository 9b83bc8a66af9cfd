import type { Library } from '../../runner/library';

/** Say which box was made, and how to start it. */
export async function sayMade(library: Library, id: string, isJson: boolean): Promise<number> {
  const { values } = await library.settings(id);
  if (isJson) process.stdout.write(`${JSON.stringify({ id, values }, null, 2)}\n`);
  else process.stdout.write(`The box ${values.name} (${id}) is made. To start it: hartbox run ${id}\n`);
  const others = (await library.list()).filter(
    (one) => one.id !== id && !one.error && one.values.name.toLowerCase() === values.name.toLowerCase(),
  );
  if (others.length > 0)
    process.stderr.write(
      `hartbox: another box is called ${values.name} too: they are ${[...others.map((one) => one.id), id].join(', ')} to commands.\n`,
    );
  return 0;
}
