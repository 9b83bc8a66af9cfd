/** What attaches a debugger to a box, as lines for any shell: of POSIX systems and of Windows. */
export function debuggerLines({ address, symbols }: { address: string; symbols: readonly string[] }): { gdb: string; lldb: string } {
  const [main, ...others] = symbols;
  const quoted = (text: string): string => (/^[\w./:\\-]+$/.test(text) ? text : `"${text}"`);
  const option = (letters: string, command: string): string => `${letters} "${command}"`;
  const gdb = [
    'gdb-multiarch',
    main === undefined ? option('-ex', 'set architecture riscv:rv64') : quoted(main),
    ...others.map((file) => option('-ex', `add-symbol-file ${file}`)),
    option('-ex', `target remote ${address}`),
  ];
  const lldb = ['lldb', ...(main === undefined ? [] : [quoted(main)]), option('-o', `gdb-remote ${address}`)];
  return { gdb: gdb.join(' '), lldb: lldb.join(' ') };
}
