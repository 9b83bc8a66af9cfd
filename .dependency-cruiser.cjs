/**
 * Imports run one way (DESIGN §1): renderer → types of the engine contract; main → engine; engine → nothing above it.
 * Inside the engine every room lists what it may use; what is not listed is forbidden.
 */
const ROOMS = [];
const mayUse = (room, rooms, note) => {
  ROOMS.push(room);
  return {
    name: `${room}-uses-only`,
    comment: note,
    severity: 'error',
    from: { path: `^engine/${room}/`, pathNot: '\\.test\\.ts$' },
    to: { path: '^engine/', pathNot: `^engine/(${[room, ...rooms].join('|')})(/|$|\\.ts$)` },
  };
};

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: '^electron$' } },
    {
      name: 'no-utils',
      comment: 'A file is named after what it is.',
      severity: 'error',
      from: { path: '(^|/)(utils?|misc|common)(/|\\.ts$)', pathNot: 'node_modules' },
      to: {},
    },
    {
      name: 'tests-stay-outside',
      comment: 'What ships does not import tests or their support.',
      severity: 'error',
      from: { path: '^(engine|main|renderer)/', pathNot: '\\.test\\.ts$' },
      to: { path: '^test/|\\.test\\.ts$' },
    },
    {
      name: 'renderer-is-sandboxed',
      comment: 'The renderer has no Node and no Electron; it talks through the preload bridge.',
      severity: 'error',
      from: { path: '^renderer/', pathNot: '\\.test\\.ts$' },
      to: { path: '(^|node_modules/)electron(/|$)' },
    },
    {
      name: 'renderer-has-no-node',
      severity: 'error',
      from: { path: '^renderer/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'renderer-sees-only-types',
      comment: 'From the engine and the main process the renderer takes types, and what the contracts are made of.',
      severity: 'error',
      from: { path: '^renderer/', pathNot: '\\.test\\.ts$' },
      to: {
        path: '^(engine|main)/',
        pathNot:
          '^(engine/runner/(control|console-channel|console-sender)|main/(box-|image-|inside-|log-|network-)?contract)\\.ts$|^engine/(settings|errors)/',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'main-uses-the-engine-by-its-contract',
      severity: 'error',
      from: { path: '^main/', pathNot: '\\.test\\.ts$' },
      to: { path: '^engine/(hart|wasm|memory|interrupt|virtio|backend|cli)/', dependencyTypesNot: ['type-only'] },
    },
    { name: 'main-is-below-renderer', severity: 'error', from: { path: '^main/' }, to: { path: '^renderer/' } },
    {
      name: 'engine-is-a-library',
      comment: 'The engine knows neither Electron nor Vue; it runs in plain Node.',
      severity: 'error',
      from: { path: '^engine/' },
      to: { path: '^(main|renderer)/|(^|node_modules/)(electron|electron-log|vue|pinia|vue-i18n)(/|$)' },
    },
    mayUse('errors', [], 'Lies below all.'),
    mayUse('wasm', [], 'A small WebAssembly encoder and nothing else.'),
    mayUse('host', ['errors'], 'What the engine asks of the host system beyond plain Node; whoever needs it may use it.'),
    mayUse('memory', ['errors']),
    mayUse('bus', ['errors', 'memory']),
    mayUse('interrupt', ['bus', 'errors', 'memory']),
    mayUse('pci', ['bus', 'errors', 'interrupt', 'memory']),
    mayUse('backend', ['errors', 'host', 'memory'], 'Back ends know no virtio.'),
    mayUse('gpu', [], 'What screens show: knows neither Electron nor virtio.'),
    mayUse('display', ['errors', 'gpu', 'host'], 'Shows screens to those who are not the window.'),
    mayUse(
      'virtio',
      ['backend', 'bus', 'errors', 'gpu', 'interrupt', 'memory', 'pci', 'settings'],
      'Devices know no machine; the registry knows its configuration.',
    ),
    mayUse(
      'board',
      ['backend', 'bus', 'errors', 'gpu', 'hart', 'interrupt', 'memory', 'pci'],
      "The board's own devices know no machine either.",
    ),
    mayUse('hart', ['bus', 'errors', 'host', 'memory', 'wasm'], 'A hart knows memory and bus interfaces, never a device.'),
    mayUse('threads', ['bus', 'errors', 'hart', 'host', 'interrupt', 'memory', 'pci'], 'What runs harts in threads of their own.'),
    mayUse('images', ['errors', 'host', 'virtio'], 'The built-in guest has drivers for what the registry of virtio devices has.'),
    mayUse('debug', ['errors', 'hart', 'host', 'images', 'memory']),
    mayUse('settings', ['errors'], 'Runs in the window too: no Node, no machine.'),
    mayUse('machine', [
      'backend',
      'board',
      'bus',
      'display',
      'errors',
      'gpu',
      'hart',
      'host',
      'images',
      'interrupt',
      'memory',
      'pci',
      'settings',
      'threads',
      'virtio',
    ]),
    mayUse(
      'runner',
      ['backend', 'debug', 'display', 'errors', 'gpu', 'hart', 'host', 'images', 'machine', 'settings', 'threads', 'virtio'],
      'One running box, and the boxes on disk.',
    ),
    mayUse(
      'catalogue',
      ['backend', 'errors', 'hart', 'host', 'images', 'runner', 'settings', 'threads'],
      'What boxes are made of: images that are fetched, and those that a machine makes.',
    ),
    mayUse(
      'doctor',
      ['errors', 'host', 'images', 'runner', 'threads'],
      'Looks at the computer, and at what others keep on it; asks each by its own room.',
    ),
    mayUse(
      'cli',
      ['catalogue', 'display', 'doctor', 'errors', 'host', 'images', 'machine', 'runner', 'settings', 'index\\.ts'],
      'The CLI uses the same API as the app.',
    ),
    {
      name: 'settings-without-node',
      comment: 'The window shows and checks settings by the same description.',
      severity: 'error',
      from: { path: '^engine/(settings|errors)/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'every-room-has-a-rule',
      comment: 'A new room in the engine gets a row above.',
      severity: 'error',
      from: { path: `^engine/(?!(${ROOMS.join('|')})/)[^/]+/` },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(out|dist|node_modules/\\.cache)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
};
