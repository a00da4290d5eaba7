// Runs a built worker until SIGTERM, SIGINT, or the end of whoever started it: `node serve.mjs '<config as JSON>'`. Prints where it listens as one JSON line.
import { Worker } from '../../dist/index.js';

const worker = await Worker.start(JSON.parse(process.argv[2] ?? '{}'));
const { socketPath: socket, httpUrl, grpcAddress } = worker;
console.log(JSON.stringify({ socket, httpUrl, grpcAddress }));

let stopping = false;
const stop = () => {
  if (stopping) return;
  stopping = true;
  void worker.stop().then(() => process.exit(0));
};
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
// A bench that is killed closes the pipe: its worker must not stay behind with its containers.
process.stdin.resume();
process.stdin.once('close', stop);
