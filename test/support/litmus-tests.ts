import { AQ, AQRL, type Litmus, type LitmusCode, R, RL, RW, W } from './litmus';

type Step = (c: LitmusCode) => void;
type Variant = [name: string, before: Step, after: Step, forbidden: boolean];
const none: Step = () => {};
const fence =
  (before: number, after: number): Step =>
  (c) =>
    c.fence(before, after);
const tso: Step = (c) => c.fenceTso();
const full = fence(RW, RW);
/** Atomic operations on another word that order all accesses around them. */
const swapAround: Step = (c) => c.swap('z', 1, AQRL);
const conditionalAround: Step = (c) => c.conditional('z', 1, AQRL, RL);

/** Message passing: y says that x has been written. */
const messagePassing: Litmus[] = (
  [
    ['plain', none, none, false],
    ['w,w and r,r', fence(W, W), fence(R, R), true],
    ['rw,w and r,rw', fence(RW, W), fence(R, RW), true],
    ['rw,rw', full, full, true],
    ['fence.tso', tso, tso, true],
    ['amo.aqrl', swapAround, swapAround, true],
    ['lr.aqrl and sc.rl', conditionalAround, conditionalAround, true],
  ] satisfies Variant[]
).map(([name, before, after, forbidden]) => ({
  name: `MP, ${name}`,
  harts: [
    (c) => {
      c.write('x', 1);
      before(c);
      c.write('y', 1);
    },
    (c) => {
      c.read(0, 'y');
      after(c);
      c.read(1, 'x');
    },
  ],
  observe: [
    [1, 0],
    [1, 1],
  ],
  ...(forbidden ? { forbidden: '10' } : {}),
}));

/** The message is sent or received by the instruction itself. */
const messageBy = (name: string, send: Step, receive: Step): Litmus => ({
  name: `MP, ${name}`,
  harts: [
    (c) => {
      c.write('x', 1);
      send(c);
    },
    receive,
  ],
  observe: [
    [1, 0],
    [1, 1],
  ],
  forbidden: '10',
});
const sendPlain: Step = (c) => {
  c.fence(W, W);
  c.write('y', 1);
};
const messages: Litmus[] = [
  messageBy(
    'amoswap.rl and amoor.aq',
    (c) => c.swap('y', 1, RL),
    (c) => {
      c.readAtomic(0, 'y', AQ);
      c.read(1, 'x');
    },
  ),
  messageBy(
    'sc.rl and lr.aq',
    (c) => c.conditional('y', 1, 0, RL),
    (c) => {
      c.reserve(0, 'y', AQ);
      c.read(1, 'x');
    },
  ),
  messageBy('w,w and an address that depends', sendPlain, (c) => {
    c.read(0, 'y');
    c.readAfter(0, 1, 'x');
  }),
];

/** Store buffering: each hart writes one word and reads the other; both read 0. */
const storeBuffering: Litmus[] = (
  [
    ['plain', none, false],
    ['rw,rw', full, true],
    ['w,r', fence(W, R), true],
    ['fence.tso', tso, false],
    ['rw,w', fence(RW, W), false],
    ['amo.aqrl', swapAround, true],
    ['lr.aqrl and sc.rl', conditionalAround, true],
  ] satisfies [string, Step, boolean][]
).map(([name, between, forbidden]) => ({
  name: `SB, ${name}`,
  harts: (['xy', 'yx'] as const).map((words) => (c: LitmusCode) => {
    c.write(words[0] as 'x' | 'y', 1);
    between(c);
    c.read(0, words[1] as 'x' | 'y');
  }),
  observe: [
    [0, 0],
    [1, 0],
  ],
  ...(forbidden ? { forbidden: '00' } : {}),
}));

/** As both harts do it, with the two words exchanged. */
const bothWays = (
  name: string,
  program: (c: LitmusCode, mine: 'x' | 'y', other: 'x' | 'y') => void,
  result: 0 | 1,
  forbidden?: string,
): Litmus => ({
  name,
  harts: [(c) => program(c, 'x', 'y'), (c) => program(c, 'y', 'x')],
  observe: [
    [0, result],
    [1, result],
  ],
  ...(forbidden === undefined ? {} : { forbidden }),
});

const atomicStores: Litmus[] = [
  bothWays(
    'SB, amoswap.aq writes, a plain load follows',
    (c, mine, other) => {
      c.swap(mine, 1, AQ);
      c.read(0, other);
    },
    0,
    '00',
  ),
  bothWays(
    'SB, sc.aqrl writes, a plain load follows',
    (c, mine, other) => {
      c.conditional(mine, 1, 0, AQRL);
      c.read(0, other);
    },
    0,
    '00',
  ),
  // RVWMO's rule 3: no load gets the value of an AMO before others see it.
  bothWays(
    'SB, a load of what amoswap wrote, and an address that depends on it',
    (c, mine, other) => {
      c.swap(mine, 1);
      c.read(0, mine);
      c.readAfter(0, 1, other);
    },
    1,
    '00',
  ),
  bothWays(
    'SB, a plain store, lr.aqrl reads',
    (c, mine, other) => {
      c.write(mine, 1);
      c.reserve(0, other, AQRL);
    },
    0,
    '00',
  ),
  bothWays(
    'SB, a plain store, amoor.aqrl reads',
    (c, mine, other) => {
      c.write(mine, 1);
      c.readAtomic(0, other, AQRL);
    },
    0,
    '00',
  ),
];

/** Load buffering: each hart reads what the other writes later. */
const loadBuffering: Litmus[] = (
  [
    ['plain', (c, word) => c.write(word, 1), false],
    [
      'rw,rw',
      (c, word) => {
        c.fence(RW, RW);
        c.write(word, 1);
      },
      true,
    ],
    [
      'fence.tso',
      (c, word) => {
        c.fenceTso();
        c.write(word, 1);
      },
      true,
    ],
    ['data that depends', (c, word) => c.writeAfter(0, word, 1), true],
    ['control that depends', (c, word) => c.writeIf(0, word, 1), true],
    ['amoswap.rl', (c, word) => c.swap(word, 1, RL), true],
  ] satisfies [string, (c: LitmusCode, word: 'x' | 'y') => void, boolean][]
).map(([name, write, forbidden]) =>
  bothWays(
    `LB, ${name}`,
    (c, mine, other) => {
      c.read(0, mine);
      write(c, other);
    },
    0,
    forbidden ? '11' : undefined,
  ),
);

/** Orders of writes, seen in what a word holds in the end. */
const lastWrites: Litmus[] = (
  [
    ['plain', none, none, false],
    ['w,w and rw,rw', fence(W, W), full, true],
    ['rw,w', fence(RW, W), fence(RW, W), true],
    ['amo.aqrl', swapAround, swapAround, true],
  ] satisfies Variant[]
).flatMap(([name, before, after, forbidden]): Litmus[] => {
  const first: Step = (c) => {
    c.write('x', 2);
    before(c);
    c.write('y', 1);
  };
  return [
    {
      name: `S, ${name}`,
      harts: [
        first,
        (c) => {
          c.read(0, 'y');
          after(c);
          c.write('x', 1);
        },
      ],
      observe: [[1, 0], 'x'],
      ...(forbidden ? { forbidden: '12' } : {}),
    },
    {
      name: `R, ${name}`,
      harts: [
        first,
        (c) => {
          c.write('y', 2);
          after(c);
          c.read(0, 'x');
        },
      ],
      observe: ['y', [1, 0]],
      // A fence rw,w says nothing of what is read after it.
      ...(forbidden && name !== 'rw,w' ? { forbidden: '20' } : {}),
    },
    {
      name: `2+2W, ${name}`,
      harts: [
        first,
        (c) => {
          c.write('y', 2);
          after(c);
          c.write('x', 1);
        },
      ],
      observe: ['x', 'y'],
      ...(forbidden ? { forbidden: '22' } : {}),
    },
  ];
});

const coherence: Litmus[] = [
  {
    name: 'CoRR',
    harts: [
      (c) => c.write('x', 1),
      (c) => {
        c.read(0, 'x');
        c.read(1, 'x');
      },
    ],
    observe: [
      [1, 0],
      [1, 1],
    ],
    forbidden: '10',
  },
];

/** Causality: what was passed on was seen before. */
const causality: Litmus[] = (
  [
    ['plain', (c) => c.write('y', 1), (c) => c.read(1, 'x'), false],
    ['dependencies', (c) => c.writeAfter(0, 'y', 1), (c) => c.readAfter(0, 1, 'x'), true],
    [
      'fences',
      (c) => {
        c.fence(R, W);
        c.write('y', 1);
      },
      (c) => {
        c.fence(R, R);
        c.read(1, 'x');
      },
      true,
    ],
  ] satisfies Variant[]
).map(([name, pass, look, forbidden]) => ({
  name: `WRC, ${name}`,
  harts: [
    (c) => c.write('x', 1),
    (c) => {
      c.read(0, 'x');
      pass(c);
    },
    (c) => {
      c.read(0, 'y');
      look(c);
    },
  ],
  observe: [
    [1, 0],
    [2, 0],
    [2, 1],
  ],
  ...(forbidden ? { forbidden: '110' } : {}),
}));

/** Independent reads of independent writes: two harts see them in different orders. */
const independent: Litmus[] = (
  [
    ['plain', (c, word) => c.read(1, word), false],
    ['dependencies', (c, word) => c.readAfter(0, 1, word), true],
    [
      'fences',
      (c, word) => {
        c.fence(R, R);
        c.read(1, word);
      },
      true,
    ],
  ] satisfies [string, (c: LitmusCode, word: 'x' | 'y') => void, boolean][]
).map(([name, look, forbidden]) => ({
  name: `IRIW, ${name}`,
  harts: [
    (c) => c.write('x', 1),
    (c) => c.write('y', 1),
    (c) => {
      c.read(0, 'x');
      look(c, 'y');
    },
    (c) => {
      c.read(0, 'y');
      look(c, 'x');
    },
  ],
  observe: [
    [2, 0],
    [2, 1],
    [3, 0],
    [3, 1],
  ],
  ...(forbidden ? { forbidden: '1010' } : {}),
}));

export const litmusTests: readonly Litmus[] = [
  ...messagePassing,
  ...messages,
  ...storeBuffering,
  ...atomicStores,
  ...loadBuffering,
  ...lastWrites,
  ...coherence,
  ...causality,
  ...independent,
];
