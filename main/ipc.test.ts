import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { VmError } from '../engine/errors/vm-error';
import type { RequestName, Requests } from './contract';
import { type RequestHandlers, answerRequest } from './ipc';

function handlers(): { [N in keyof RequestHandlers]: ReturnType<typeof vi.fn> } & RequestHandlers {
  const made = new Map<string, ReturnType<typeof vi.fn>>();
  return new Proxy({} as ReturnType<typeof handlers>, {
    get(_target, name: string) {
      if (!made.has(name)) made.set(name, vi.fn());
      return made.get(name);
    },
  });
}
const page = { url: 'app://hartbox/index.html', isMainFrame: true };

describe('answerRequest', () => {
  it('passes valid requests of the app page on and returns the answer', async () => {
    const known = handlers();
    known['clipboard.read'].mockResolvedValue('text');
    expect(await answerRequest(known, 'clipboard.read', page, [])).toEqual({ ok: true, value: 'text' });
    await answerRequest(known, 'vm.start', page, ['hartbox-linux']);
    expect(known['vm.start']).toHaveBeenCalledWith('hartbox-linux');
  });

  it.each([
    [{ url: 'https://example.org/', isMainFrame: true }],
    [{ url: 'app://hartbox.example.org/', isMainFrame: true }],
    [{ url: 'app://hartbox/index.html', isMainFrame: false }],
    [{ url: undefined, isMainFrame: true }],
  ])('refuses %j', async (sender) => {
    const known = handlers();
    expect(await answerRequest(known, 'vm.start', sender, ['hartbox-linux'])).toMatchObject({ ok: false, error: { kind: 'Internal' } });
    expect(known['vm.start']).not.toHaveBeenCalled();
  });

  it.each([[[]], [['../../etc']], [['a', 'b']], [[{}]], [['']], [['A']], [[null]]])('refuses a VM named %j', async (args) => {
    const known = handlers();
    expect(await answerRequest(known, 'vm.force-off', page, args)).toMatchObject({ ok: false });
    expect(known['vm.force-off']).not.toHaveBeenCalled();
  });

  it('reports failures as data, with kind and cause but no stack in the message', async () => {
    const known = handlers();
    known['vm.start'].mockRejectedValue(new VmError('Resource', 'No room.', { cause: new Error('ENOSPC') }));
    expect(await answerRequest(known, 'vm.start', page, ['vm'])).toEqual({
      ok: false,
      error: { kind: 'Resource', message: 'No room.', details: 'Error: ENOSPC' },
    });
  });
});

/** Of every channel something that it takes. */
const valid: { [N in RequestName]: Parameters<Requests[N]> } = {
  'doctor.diagnose': [{ renderer: 'a graphics processor' }],
  'doctor.save-report': [],
  'log.read': ['a', 'serial'],
  'log.save': [null, 'app'],
  'inside.look': ['a'],
  'inside.past': ['a'],
  'inside.board': ['a'],
  'inside.profile': ['a'],
  'inside.overview': [],
  'inside.show-folder': ['systems'],
  'image.list': [],
  'image.check-box': ['debian-trixie', { name: 'A' }, { hostname: 'a', timezone: 'UTC', withKeys: false, keyFile: '/key.pub' }],
  'image.create-box': ['debian-trixie', { name: 'A' }, { user: 'alice', withKeys: true }, null, 'task-1'],
  'image.fetch': ['debian-trixie', true, 'task-1'],
  'image.cancel': ['task-1'],
  'image.remove': ['debian-trixie'],
  'image.clear-cache': [],
  'box.host-facts': [],
  'box.settings': ['a'],
  'box.create': [{ name: 'A' }, { size: 1 << 30 }],
  'box.change': ['a', { name: 'B' }, 'revision'],
  'box.probe-file': ['/file'],
  'box.pick-file': ['drive'],
  'box.create-disk': ['a', { size: 1 << 30, format: 'raw' }],
  'box.clone': ['a', true, 'task'],
  'box.outside-files': [[{ file: '/a.qcow2', format: 'auto' }]],
  'box.allow-files': [[{ image: '/a.qcow2', kind: 'backing', name: '../b', file: '/b' }]],
  'box.remove': ['a'],
  'box.trashed': [],
  'box.restore': ['a-20260101t000000z'],
  'box.purge': [['a-20260101t000000z']],
  'box.export': ['a', 'task'],
  'box.import': ['/file', 'task'],
  'box.recovered': [],
  'box.cancel': ['task'],
  'network.look': ['a'],
  'network.forward': ['a', { protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 0, guestPort: 80 }],
  'network.unforward': ['a', { protocol: 'udp', hostAddress: '::', hostPort: 53 }],
  'network.browse': ['a', '127.0.0.1', 8080],
  'network.link': ['a', 'net0', false],
  'network.capture': ['a'],
  'network.end-capture': ['a'],
  'app.info': [],
  'app.opened-files': [],
  'app.set-theme': ['dark'],
  'app.set-language': ['de'],
  'app.set-look': [{ layout: 'list', order: 'name' }],
  'app.set-screen': [{ scale: 'fit', follow: true, pointer: 'mouse', release: 'right-ctrl', compose: true }],
  'app.set-full-screen': [true],
  'app.show-page': ['/box/a/settings'],
  'app.open-link': ['https://example.org/'],
  'app.close': ['cancel', true],
  'app.set-habits': [{ close: 'ask', tray: false, notify: true, login: false, fontSize: 13, feed: '' }],
  'app.check-update': [],
  'clipboard.write': ['text'],
  'clipboard.read': [],
  'library.list': [],
  'library.show-files': ['a'],
  'library.rename': ['a', 'B'],
  'vm.start': ['a'],
  'vm.power-off': ['a'],
  'vm.force-off': ['a'],
  'vm.pause': ['a'],
  'vm.resume': ['a'],
  'vm.reset': ['a'],
  'vm.debug': ['a'],
  'vm.restart': ['a'],
  'vm.build': ['a'],
  'vm.connect': ['a', 'screen'],
  'vm.screen-window': ['a', 1, true],
  'vm.screenshot': ['a', 0],
  'recording.begin': ['a'],
  'recording.write': [1, new Uint8Array(1)],
  'recording.end': [1],
  'vm.give-clipboard': ['a', true],
  'vm.take-clipboard': ['a'],
  'vm.insert-text': ['a', '字'],
  'vm.keep-clipboard': ['a', 'text', Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')],
  'vm.send-files': ['a', ['/file']],
  'vm.cancel-files': ['a'],
  'vm.set-volume': ['a', 40, true],
  'vm.microphone': ['a', true],
};
const channels = Object.entries(valid) as [RequestName, unknown[]][];
/** Of those bytes not all will do. */
const isOfPng = (bytes: Uint8Array): boolean => bytes[0] === 0x89;
/** What may be null. */
const orNull = ['box.create 1', 'box.import 0', 'log.read 0', 'log.save 0', 'vm.keep-clipboard 1', 'vm.keep-clipboard 2'];
/** A value of each kind that structured clones carry. */
const kinds: unknown[] = [
  undefined,
  null,
  true,
  0,
  Number.NaN,
  -1,
  1n,
  'x'.repeat(17 << 20),
  [],
  new Date(0),
  new Map(),
  new Uint8Array(1),
  /x/,
];

describe.each(channels)('the channel %s', (name, args) => {
  it('serves the page of the app, and nobody else', async () => {
    const known = handlers();
    expect(await answerRequest(known, name, page, args)).toMatchObject({ ok: true });
    expect(known[name]).toHaveBeenCalledExactlyOnceWith(...args);
    for (const sender of [
      { ...page, isMainFrame: false },
      ...['https://example.org/', 'app://hartbox.example.org/', 'app://hartbox@example.org/', 'file:///app/', 'about:blank', undefined].map(
        (url) => ({
          ...page,
          url,
        }),
      ),
    ])
      expect(await answerRequest(known, name, sender, args)).toMatchObject({ ok: false });
    expect(known[name]).toHaveBeenCalledOnce();
  });

  it('takes nothing but what the contract says', async () => {
    const known = handlers();
    const wrong = [[...args, 'more'], ...(args.length > 0 ? [args.slice(1), []] : [])];
    for (const [at, arg] of args.entries()) {
      const others = kinds.filter((kind) => !(kind === null && orNull.includes(`${name} ${at}`)) && typeof kind !== typeof arg);
      const ofType = Array.isArray(arg)
        ? [{}, new Date(0), [7]]
        : typeof arg === 'object'
          ? [[], new Date(0), ...(arg instanceof Uint8Array && !isOfPng(arg) ? [] : [new Uint8Array(1)])]
          : typeof arg === 'string'
            ? [kinds[7]]
            : [];
      wrong.push(...[...others, ...ofType].map((value) => args.with(at, value)));
    }
    for (const bad of wrong) expect(await answerRequest(known, name, page, bad)).toMatchObject({ ok: false, error: { kind: 'Internal' } });
    expect(known[name]).not.toHaveBeenCalled();
  });

  it('never fails otherwise than by an answer', async () => {
    const known = handlers();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.anything({ withBigInt: true, withDate: true, withMap: true, withTypedArray: true }), { maxLength: 4 }),
        async (given) => {
          expect(await answerRequest(known, name, page, given)).toHaveProperty('ok');
        },
      ),
      { numRuns: 50 },
    );
  });
});
