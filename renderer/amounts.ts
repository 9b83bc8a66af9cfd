const MiB = 2 ** 20;

/** Bytes as people say them: whole megabytes, gigabytes from 1024 of them on. */
export function amountOf(bytes: number): { unit: 'MiB' | 'GiB'; n: string } {
  const megabytes = Math.round(bytes / MiB);
  if (megabytes < 1024) return { unit: 'MiB', n: String(megabytes) };
  return { unit: 'GiB', n: String(Math.round((megabytes / 1024) * 10) / 10) };
}
