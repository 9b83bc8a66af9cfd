import { expect, it } from 'vitest';
import { Transcript } from './transcript';

const ESCAPES = /\x1b\[\d*m/g;

it('what was said is found whenever it came, behind what is known; and what is not said ends the wait, with what was', async () => {
  const heard = new Transcript('The guest');
  heard.add(Buffer.from('one $ '));
  expect((await heard.says(/\$ /)).index).toBe(4);
  const from = heard.text.length;
  const second = heard.says(/(\w+) \$ /, from);
  heard.add(Buffer.from('tw'));
  heard.add(Buffer.from('o $ '));
  expect((await second)[1]).toBe('two');

  // In pieces that mean nothing alone.
  const plain = new Transcript('It', (text) => text.replace(ESCAPES, ''));
  const three = plain.says(/^öd$/);
  for (const byte of Buffer.from('ö\x1b[31md')) plain.add(Uint8Array.of(byte));
  await three;

  heard.patience = 20;
  await expect(heard.says(/three/, from)).rejects.toThrow('The guest did not within 0.02 s say /three/: two $ ');
  heard.patience = 10_000;
  const last = heard.says(/three/);
  heard.end();
  await expect(last).rejects.toThrow('The guest ended before it said /three/: one $ two $ ');
  await expect(heard.says(/three/)).rejects.toThrow('ended');
  expect((await heard.says(/two/))[0]).toBe('two');
});
