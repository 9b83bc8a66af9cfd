/** Addresses whose names are remembered. */
const MOST = 4096;

/** Which names the guest has asked for stand behind which addresses: for people who look at flows, and for rules by name. */
export class Names {
  /** By address as text; the last name that was answered with it. The oldest stands first. */
  private readonly names = new Map<string, string>();

  note(name: string, address: string): void {
    this.names.delete(address);
    if (this.names.size >= MOST) this.names.delete(this.names.keys().next().value!);
    this.names.set(address, name);
  }

  of(address: string): string | undefined {
    return this.names.get(address);
  }
}
