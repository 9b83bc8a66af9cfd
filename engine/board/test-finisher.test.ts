import { describe, expect, it } from 'vitest';
import { TestFinisher, type FinisherRequest } from './test-finisher';

describe('TestFinisher', () => {
  it.each<[number, FinisherRequest | undefined]>([
    [0x5555, { kind: 'exit', code: 0 }],
    [0x0007_3333, { kind: 'exit', code: 7 }],
    [0x7777, { kind: 'reset' }],
    [0x1234, undefined],
  ])('understands 0x%s', (value, request) => {
    const seen: FinisherRequest[] = [];
    const finisher = new TestFinisher(0x100000, (one) => seen.push(one));
    finisher.write(0, 4, value);
    finisher.write(4, 4, 0x5555);
    expect(seen).toEqual(request ? [request] : []);
    expect(finisher.read()).toBe(0);
  });
});
