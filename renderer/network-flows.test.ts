import { describe, expect, it } from 'vitest';
import type { Flow, NetworkLook } from '../main/network-contract';
import { flowKey, flowPhase, ratesBetween } from './network-flows';

const flow = (change: Partial<Flow> = {}): Flow => ({
  ...{ adapter: 'net0', protocol: 'tcp', guest: '10.0.2.15:1000', remote: '192.0.2.1:80', state: 'established' },
  ...{ fromGuest: 0, toGuest: 0, age: 1, idle: 0 },
  ...change,
});
const look = (flows: Flow[], sent = 0, received = 0): NetworkLook => ({
  adapters: [
    {
      ...{ id: 'net0', mac: '52:54:00:12:34:56', connection: 'nat', addresses: [], line: {}, cable: true, up: true },
      statistics: {
        ...{ framesFromGuest: 0, bytesFromGuest: sent, framesToGuest: 0, bytesToGuest: received, droppedFromGuest: 0, droppedToGuest: 0 },
        backend: { droppedFromGuest: 0, droppedToGuest: 0 },
      },
    },
  ],
  forwards: [],
  flows,
  flowCount: flows.length,
});

describe('rates of flows', () => {
  it('are what came between two looks, each second', () => {
    const { flows, adapters } = ratesBetween(look([flow()], 10, 20), look([flow({ fromGuest: 3000, toGuest: 500, age: 3 })], 4010, 20), 2);
    expect(flows.get(flowKey(flow()))).toEqual({ sent: 1500, received: 250 });
    expect(adapters.get('net0')).toEqual({ sent: 2000, received: 0 });
  });

  it('are not said of a flow that is another by now, or new', () => {
    const other = flow({ remote: '192.0.2.2:80', fromGuest: 9 });
    const { flows } = ratesBetween(look([flow({ age: 50 })]), look([flow({ age: 1, fromGuest: 7 }), other]), 1);
    expect(flows.size).toBe(0);
  });

  it('are never negative or endless', () => {
    expect(ratesBetween(look([], 100), look([], 5), 1).adapters.get('net0')).toEqual({ sent: 0, received: 0 });
    expect(ratesBetween(look([], 0), look([], 5), 0).adapters.get('net0')).toEqual({ sent: 0, received: 0 });
  });
});

describe('flowPhase', () => {
  it.each([
    ['syn-sent', 'connecting'],
    ['established', 'open'],
    ['open', 'open'],
    ['fin-wait-2', 'closing'],
    ['time-wait', 'closing'],
  ])('%s is %s', (state, phase) => {
    expect(flowPhase(flow({ state }))).toBe(phase);
  });
});
