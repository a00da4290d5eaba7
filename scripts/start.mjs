import { parseArgs } from 'node:util';
import { setupOrExit } from './setup.mjs';
import { installPackages } from './system-packages.mjs';

/** `npm start`: set up what is missing, then show a worker at work (src/cli/demo.ts). */

const HELP = `Sets up what is missing, starts a worker, registers the sample functions and runs one of them cold and warm.

  npm start                    stay up until Ctrl-C
  npm start -- --once          do the same and exit
  npm start -- --all           also the functions whose dependencies come from PyPI
  npm start -- --port 9000     serve HTTP on another port (default 8080; 0 = any free one)
  npm start -- --backend NAME  what runs the functions: process (default), containerd or docker. One of these two that answers at its
                               usual socket is used, else one is started for the demonstration alone, which needs root
  npm start -- --data-dir DIR  keep state elsewhere (default /var/lib/iluvatar as root, else ~/.local/state/iluvatar)
`;

let options;
try {
  options = parseArgs({
    options: {
      once: { type: 'boolean', default: false },
      all: { type: 'boolean', default: false },
      port: { type: 'string', default: '8080' },
      backend: { type: 'string', default: 'process' },
      'data-dir': { type: 'string', default: '' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }).values;
} catch (error) {
  process.stderr.write(`${error.message}\n\n${HELP}`);
  process.exit(2);
}
if (options.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const port = Number(options.port);
if (!/^\d+$/.test(options.port) || port > 65_535) {
  refuse(`--port must be a number from 0 to 65535, not "${options.port}"`);
}

const { once, all, backend, 'data-dir': dataDir } = options;
if (backend === 'simulated') {
  refuse('the samples are real code, and the backend "simulated" runs none: try `iluvatar sim`, or docs/simulation.md');
}
if (!['process', 'containerd', 'docker'].includes(backend)) {
  refuse(`--backend must be process, containerd or docker, not "${backend}"`);
}

await setupOrExit({ declarations: false });
const { demo } = await import('../dist/cli/demo.js');
const install = () => installPackages(backend, { required: true });
process.exit(await demo({ once, all, port, dataDir, backend, install }));

function refuse(reason) {
  process.stderr.write(`${reason}\n`);
  process.exit(2);
}
