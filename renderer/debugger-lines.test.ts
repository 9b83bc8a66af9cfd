import { expect, it } from 'vitest';
import { debuggerLines } from './debugger-lines';

it('gives lines that attach debuggers, with the symbols of what runs', () => {
  expect(debuggerLines({ address: '127.0.0.1:1234', symbols: [] })).toEqual({
    gdb: 'gdb-multiarch -ex "set architecture riscv:rv64" -ex "target remote 127.0.0.1:1234"',
    lldb: 'lldb -o "gdb-remote 127.0.0.1:1234"',
  });
  expect(debuggerLines({ address: '127.0.0.1:9', symbols: ['C:\\My files\\kernel', '/fw.elf'] })).toEqual({
    gdb: 'gdb-multiarch "C:\\My files\\kernel" -ex "add-symbol-file /fw.elf" -ex "target remote 127.0.0.1:9"',
    lldb: 'lldb "C:\\My files\\kernel" -o "gdb-remote 127.0.0.1:9"',
  });
});
