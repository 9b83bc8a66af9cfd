import type { Library } from '../../runner/library';

/** Say which box was made, and how to start it. */
export async function sayMade(library: Library, id: string, isJson: boolean): Promise<number> {
  const { values } = await library.settings(id);
  if (isJson) process.stdout.write(`${JSON.stringify({ id, values }, null, 2)}\n`);
  else process.stdout.write(`The box ${values.name} (${id}) is made. To start it: hartbox run ${id}\n`);
  return 0;
}
