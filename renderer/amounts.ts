const MiB = 2 ** 20;

/** Bytes of any size, with one digit behind the point where there are few before it. */
export function sizeOf(bytes: number): { unit: 'B' | 'KiB' | 'MiB' | 'GiB' | 'TiB'; n: string } {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;
  let at = 0;
  let amount = Math.max(0, bytes);
  // What would be shown as 1024 is one of the next.
  while (at < units.length - 1 && amount >= (at === 0 ? 1024 : 1023.5)) {
    amount /= 1024;
    at++;
  }
  return { unit: units[at], n: at > 0 && amount < 9.95 ? String(Math.round(amount * 10) / 10) : String(Math.round(amount)) };
}

/** Bytes as people say them: whole megabytes, gigabytes from 1024 of them on. */
export function amountOf(bytes: number): { unit: 'MiB' | 'GiB'; n: string } {
  const megabytes = Math.round(bytes / MiB);
  if (megabytes < 1024) return { unit: 'MiB', n: String(megabytes) };
  return { unit: 'GiB', n: String(Math.round((megabytes / 1024) * 10) / 10) };
}
