import { Transport } from '../../src/transport/transport.js';

/**
 * Run by flow.test.ts under a small descriptor limit: accepts until it can no more, and on `measure` says how much processor time half a second of waiting
 * took. Prints `accepted 60` once everybody got in.
 */
const transport = new Transport({ maxBodyBytes: 1 << 20, spinUs: 0, highWaterBytes: 65536, hello: '{}' });
let accepted = 0;
transport.listen(process.argv[2] as string, 0o600, () => {
  if (++accepted === 60) console.log('accepted 60');
  return { frame() {}, closed() {} };
});
console.log('listening');
let before = -1;
const watch = setInterval(() => {
  if (accepted === 0 || accepted !== before) {
    before = accepted;
    return;
  }
  clearInterval(watch);
  console.log(`full after ${accepted}`);
}, 100);
process.stdin.on('data', () => {
  const start = process.cpuUsage();
  setTimeout(() => {
    const used = process.cpuUsage(start);
    console.log(`cpu-ms ${Math.round((used.user + used.system) / 1000)}`);
  }, 500);
});
