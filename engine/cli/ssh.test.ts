import { type AddressInfo, type Server, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { accountOf, greeting, placeOf } from './ssh';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function serverThatSays(text: string, ends = false): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (ends) socket.end(text);
    else socket.write(text);
  });
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

describe('what hartbox ssh and cp are told', () => {
  it('is a box, as its own user unless somebody is named', () => {
    expect(accountOf('Debian')).toEqual({ box: 'Debian' });
    expect(accountOf('me@My box')).toEqual({ user: 'me', box: 'My box' });
  });

  it('is a place in a box, or a file of this computer', () => {
    expect(placeOf('Debian:/etc/hosts')).toEqual({ path: '/etc/hosts', account: { box: 'Debian' } });
    expect(placeOf('me@My box:')).toEqual({ path: '', account: { user: 'me', box: 'My box' } });
    for (const path of ['notes.txt', './a:b', '/a:b', 'C:\\notes.txt', 'C:/notes.txt', 'folder/a:b'])
      expect(placeOf(path)).toEqual({ path });
  });
});

describe('a server in a box', () => {
  it('is known by its greeting, also behind other lines', async () => {
    await greeting(await serverThatSays('Welcome.\r\nSSH-2.0-test\r\n'), 'box', 22);
  });

  it.each([
    ['', /^Nobody listens at port 2200 of the box one\. An SSH server has to run in it/],
    ['220 mail\r\n', /^What answers is no SSH server/],
  ])('that says %j and leaves is none', async (text, message) => {
    await expect(greeting(await serverThatSays(text, true), 'one', 2200)).rejects.toMatchObject({
      kind: 'Guest',
      message: expect.stringMatching(message),
    });
  });

  it('that says nothing, or no end of other things, is none', async () => {
    await expect(greeting(await serverThatSays(''), 'one', 22, 50)).rejects.toThrow(/^No SSH server answers/);
    await expect(greeting(await serverThatSays('x'.repeat(10_000)), 'one', 22)).rejects.toThrow(/^What answers is no SSH server/);
  });
});
