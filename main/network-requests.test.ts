import { describe, expect, it, vi } from 'vitest';
import type { Flow } from './network-contract';
import { MOST_FLOWS, webScheme } from './network-contract';
import { networkRequests } from './network-requests';

const forward = { protocol: 'tcp', hostAddress: '0.0.0.0', hostPort: 8080, guestPort: 80 } as const;

/** `answers` of the box, by operation. */
function requests(answers: Record<string, unknown>, filePath?: string) {
  const call = vi.fn(async (_id: string, name: string, _args: unknown) => answers[name] ?? {});
  const openLink = vi.fn(async (_url: string, _detail: (url: string) => string) => undefined);
  const showSaveDialog = vi.fn(async (_options: unknown) => ({ canceled: filePath === undefined, filePath }));
  const handlers = networkRequests({
    machines: { call: call as never, nameOf: () => 'A/B: the box' },
    dialog: { showSaveDialog } as never,
    window: () => undefined,
    locale: () => 'de',
    openLink,
  });
  return { handlers, call, openLink, showSaveDialog };
}

describe('requests about networks', () => {
  it('look at all at once, and show the newest of many flows', async () => {
    const flows = Array.from({ length: MOST_FLOWS + 5 }, (_, age) => ({ age }) as Flow);
    const { handlers } = requests({ networks: { adapters: [] }, 'network-forwards': { forwards: [forward] }, 'network-flows': { flows } });
    const look = await handlers['network.look']('a');
    expect([look.flows.length, look.flows[0].age, look.flowCount, look.forwards]).toEqual([MOST_FLOWS, 0, MOST_FLOWS + 5, [forward]]);
  });

  it('open in the browser what is forwarded, and nothing else', async () => {
    const { handlers, openLink } = requests({
      'network-forwards': { forwards: [forward, { ...forward, hostAddress: '::1', guestPort: 443 }] },
    });
    await handlers['network.browse']('a', '0.0.0.0', 8080);
    await handlers['network.browse']('a', '::1', 8080);
    expect(openLink.mock.calls.map(([url]) => url)).toEqual(['http://127.0.0.1:8080/', 'https://[::1]:8080/']);
    await expect(handlers['network.browse']('a', '127.0.0.1', 22)).rejects.toThrow('is not forwarded');
    expect(openLink).toHaveBeenCalledTimes(2);
  });

  it('capture into the file that the user picks, and not where none is', async () => {
    const none = requests({});
    expect(await none.handlers['network.capture']('a')).toBe(false);
    expect(none.call).not.toHaveBeenCalled();
    expect(none.showSaveDialog).toHaveBeenCalledWith(expect.objectContaining({ defaultPath: 'A-B- the box.pcapng' }));
    const some = requests({}, '/tmp/seen.pcapng');
    expect(await some.handlers['network.capture']('a')).toBe(true);
    expect(some.call).toHaveBeenCalledWith('a', 'capture-start', { file: '/tmp/seen.pcapng' });
  });
});

describe('webScheme', () => {
  it.each([
    ['tcp', 80, 'http'],
    ['tcp', 8443, 'https'],
    ['tcp', 22, undefined],
    ['udp', 80, undefined],
  ] as const)('%s %d is %s', (protocol, guestPort, scheme) => {
    expect(webScheme({ protocol, guestPort })).toBe(scheme);
  });
});
