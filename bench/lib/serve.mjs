// Runs a built worker until SIGTERM: `node serve.mjs '<config as JSON>'`. Prints where it listens as one JSON line.
import { Worker } from '../../dist/index.js';

const worker = await Worker.start(JSON.parse(process.argv[2] ?? '{}'));
console.log(JSON.stringify({ socket: worker.socketPath, httpUrl: worker.httpUrl }));
process.once('SIGTERM', () => void worker.stop().then(() => process.exit(0)));
