/**
 * Imports run one way (DESIGN §1): renderer → types of the engine contract; main → engine; engine → nothing above it.
 * Inside the engine every room lists what it may use; what is not listed is forbidden.
 */
const mayUse = (room, rooms, note) => ({
  name: `${room}-uses-only`,
  comment: note,
  severity: 'error',
  from: { path: `^engine/${room}/`, pathNot: '\\.test\\.ts$' },
  to: { path: '^engine/', pathNot: `^engine/(${[room, ...rooms].join('|')})(/|$|\\.ts$)` },
});
/** The shape of a device-tree node: any device may describe itself. */
const tree = 'machine/device-tree\\.ts';
const errors = 'bus/vm-error\\.ts';

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
        pathNot: '^(engine/process/(contract|console-channel|console-sender)|engine/machine/config|main/contract)\\.ts$',
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
    mayUse('wasm', [], 'A small WebAssembly encoder and nothing else.'),
    mayUse('memory', [errors]),
    mayUse('bus', ['memory', tree]),
    mayUse('interrupt', ['bus', 'memory', tree]),
    mayUse('pci', ['bus', 'interrupt', 'memory', tree]),
    mayUse('hart', ['host', 'wasm', 'memory', 'bus'], 'A hart knows memory and bus interfaces, never a device.'),
    mayUse('host', [errors], 'What the engine asks of the host system beyond plain Node; whoever needs it may use it.'),
    mayUse('backend', ['host', 'memory', errors], 'Back ends know no virtio.'),
    mayUse('virtio', ['bus', 'interrupt', 'memory', 'pci', 'backend', tree], 'Devices know no machine.'),
    mayUse('images', ['host', errors]),
    mayUse('debug', ['hart', 'memory', errors, 'machine/boot/(elf|image-file)\\.ts']),
    mayUse('machine', ['bus', 'interrupt', 'memory', 'pci', 'virtio', 'backend', 'images', 'hart', 'host', 'process']),
    mayUse('cli', [errors, 'host', 'machine', 'images', 'index\\.ts'], 'The CLI uses the same API as the app.'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(out|dist|node_modules/\\.cache|engine/hart/helpers)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
};
