// Runs a worker on this thread and counts the promises and microtasks made while it serves: `node hops-worker.mjs ENTRY CONFIG SOURCE`, where ENTRY is
// the library's index. Registers SOURCE as `noop`, makes one container ready, says where it listens, and obeys `start` and `stop` messages.
import { createHook } from 'node:async_hooks';
import { pathToFileURL } from 'node:url';

const [entry, config, source] = process.argv.slice(2);
const { Worker } = await import(pathToFileURL(entry).href);
const worker = await Worker.start({ ...JSON.parse(config), threads: false });
await worker.register({ name: 'noop', source, maxContainers: 1 });
await worker.prewarm('noop', { count: 1 });

let counts = { promises: 0, continuations: 0, microtasks: 0, ticks: 0 };
let places = new Map();
const promises = new Set();

const hook = createHook({
  init(id, type) {
    if (type === 'PROMISE') {
      counts.promises++;
      promises.add(id);
      // Where the first few come from: what a failing check has to say.
      if (counts.promises <= 200) {
        const place = new Error().stack.split('\n').slice(2, 6).join('\n');
        places.set(place, (places.get(place) ?? 0) + 1);
      }
    } else if (type === 'Microtask') counts.microtasks++;
    else if (type === 'TickObject') counts.ticks++;
  },
  before(id) {
    if (promises.has(id)) counts.continuations++;
  },
});

process.on('message', (message) => {
  if (message === 'start') {
    counts = { promises: 0, continuations: 0, microtasks: 0, ticks: 0 };
    places = new Map();
    promises.clear();
    process.send({ started: true }, () => hook.enable());
  } else if (message === 'stop') {
    hook.disable();
    const top = [...places].sort((a, b) => b[1] - a[1]).slice(0, 3);
    process.send({ counts, places: top.map(([place, times]) => `${times} ×\n${place}`) });
  }
});
let stopping = false;
const stop = () => {
  if (stopping) return;
  stopping = true;
  void worker.stop().then(() => process.exit(0));
};
process.once('disconnect', stop);
process.once('SIGTERM', stop);
process.send({ socket: worker.socketPath });
