/**
 * Control sequences that a terminal answers, as if somebody typed the answer (ECMA-48 and xterm's ctlseqs.txt): where the cursor is (DSR), what it is (DA,
 * XTVERSION, DECID, ENQ), what is set (DECRQM, DECRQSS, XTGETTCAP, DECREQTPARM, kitty's keyboard), its sizes (XTWINOPS), its colours and clipboard (OSC).
 */
const QUERIES = [
  String.raw`\x05`,
  String.raw`\x1bZ`,
  String.raw`\x1b\[\??[0-9;]*n`,
  String.raw`\x1b\[[>=]?[0-9;]*c`,
  String.raw`\x1b\[[01]?x`,
  String.raw`\x1b\[\??[0-9;]*\$p`,
  String.raw`\x1b\[>[0-9;]*q`,
  String.raw`\x1b\[\?u`,
  String.raw`\x1b\[(?:1[1-689]|2[01])(?:;[0-9]+)*t`,
  String.raw`\x1b\][0-9a-z;]*;\?(?:\x07|\x1b\\)`,
  String.raw`\x1bP[$+]q[^\x1b]*\x1b\\`,
];
const ANY = new RegExp(QUERIES.join('|'), 'g');

/** Past output for a terminal that shows it again: nobody in the guest waits for answers to what was asked then. */
export function withoutQueries(output: Uint8Array): Uint8Array {
  const text = Buffer.from(output.buffer, output.byteOffset, output.byteLength).toString('latin1');
  return Buffer.from(text.replace(ANY, ''), 'latin1');
}
