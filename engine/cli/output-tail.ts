/** Keeps the last few kilobytes of an output as text, to show when something went wrong. */
export class OutputTail {
  #bytes = Buffer.alloc(0);

  constructor(private readonly limit = 2048) {}

  push(data: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, data]).subarray(-this.limit);
  }

  text(): string {
    return this.#bytes.toString('utf8').replaceAll('\r', '');
  }
}
