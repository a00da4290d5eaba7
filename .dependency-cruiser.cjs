/**
 * Dependencies point down only:
 * cli -> worker | controller | load | sim -> server | client | backends | net | store | telemetry -> images | transport -> core.
 * config, rpc, package-files.ts and native.ts (on it) are leaves; keeper stands on native.ts alone; tables, traces and results stand on core, for all that run or read a run. Each rule below says what breaks when it is broken.
 */
const top = '^src/(cli)/';
const nodes = '^src/(worker|controller|load|sim)/';
const parts = '^src/(server|client|backends|images|net|store|telemetry)/';

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'A cycle makes two files one, and their load order a matter of luck.',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'core-is-pure',
      severity: 'error',
      comment: 'core/ runs unchanged on a virtual clock: it may know nothing outside itself, no package and no node: module.',
      from: { path: '^src/core/' },
      to: { pathNot: '^src/core/' },
    },
    {
      name: 'config-is-a-leaf',
      severity: 'error',
      comment: 'Everything reads the configuration; if it read anything but the error classes there would be no order to start in.',
      from: { path: '^src/config/' },
      to: { path: '^src/', pathNot: ['^src/config/', '^src/core/errors\\.ts$'] },
    },
    {
      name: 'rpc-is-a-leaf',
      severity: 'error',
      comment: 'Messages and clients made from the protocol buffers; whoever speaks a protocol imports them.',
      from: { path: '^src/rpc/' },
      to: { path: '^src/', pathNot: '^src/rpc/' },
    },
    {
      name: 'native-is-a-leaf',
      severity: 'error',
      comment: 'The typed door to the addon depends on nothing of ours but where the addon is.',
      from: { path: '^src/native(-http2)?\\.ts$' },
      to: { path: '^src/', pathNot: '^src/(package-files|native-http2)\\.ts$' },
    },
    {
      name: 'package-files-are-a-leaf',
      severity: 'error',
      comment: 'Everything that is found by its path asks it.',
      from: { path: '^src/package-files\\.ts$' },
      to: { path: '^src/' },
    },
    {
      name: 'failpoints-are-a-leaf',
      severity: 'error',
      comment: 'Everything that has effects passes them.',
      from: { path: '^src/failpoints\\.ts$' },
      to: { path: '^src/' },
    },
    {
      name: 'addon-through-native-only',
      severity: 'error',
      comment: 'Only native.ts loads the addon: one place to find it, one typed surface.',
      from: { path: '^src/', pathNot: '^src/native\\.ts$' },
      to: { path: 'node-gyp-build|\\.node$' },
    },
    {
      name: 'transport-above-core-only',
      severity: 'error',
      from: { path: '^src/transport/' },
      to: { path: '^src/', pathNot: ['^src/(transport|core|config)/', '^src/native\\.ts$'] },
    },
    {
      name: 'keeper-above-the-addon-only',
      severity: 'error',
      comment: 'It holds what it is given. Were it to know what that is, whoever holds something could not use it.',
      from: { path: '^src/keeper/' },
      to: { path: '^src/', pathNot: ['^src/keeper/', '^src/native\\.ts$', '^src/core/errors\\.ts$'] },
    },
    {
      name: 'tables-above-core-only',
      severity: 'error',
      comment: 'Tables, traces and results are what runs read and write, live or simulated: they know neither.',
      from: { path: '^src/(tables|traces|results)/' },
      to: { path: '^src/', pathNot: ['^src/(tables|traces|results)/', '^src/core/', '^src/package-files\\.ts$'] },
    },
    {
      name: 'parts-do-not-look-up',
      severity: 'error',
      comment: 'Edges, backends, stores and telemetry serve the worker; they do not know it.',
      from: { path: parts },
      to: { path: [nodes, top, '^src/index\\.ts$'] },
    },
    {
      name: 'parts-keep-apart',
      severity: 'error',
      comment: 'An edge that knows a backend decides something that is the engine\'s to decide. Telemetry and images are for everybody.',
      from: { path: '^src/(server|client|backends|images|net|store)/' },
      to: { path: '^src/(server|client|backends|images|net|store)/', pathNot: ['^src/$1/', '^src/images/'] },
    },
    {
      name: 'nodes-do-not-look-up',
      severity: 'error',
      from: { path: nodes },
      to: { path: [top, '^src/index\\.ts$'] },
    },
    {
      name: 'agents-stand-alone',
      severity: 'error',
      comment: 'They run inside containers, where nothing else of ours is.',
      from: { path: '^src/agents/' },
      to: { path: '^src/', pathNot: '^src/agents/' },
    },
    {
      name: 'nobody-imports-the-cli',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cli/' },
      to: { path: top },
    },
    {
      name: 'no-test-code-in-the-product',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|scripts|examples)/' },
    },
    {
      name: 'no-unresolvable',
      severity: 'error',
      from: { path: '^src/' },
      to: { couldNotResolve: true },
    },
    {
      name: 'no-dev-dependency-in-the-product',
      severity: 'error',
      comment: 'An installed package has no devDependencies. tsx is named at run time only when running from source.',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
};
