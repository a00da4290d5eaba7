// Asks an address again and again over one connection, until told to stop: `node health-poll.mjs <url>`. Prints as JSON how often, and the longest time between two answers.
import { Agent, get } from 'node:http';

const agent = new Agent({ keepAlive: true, maxSockets: 1 });
let stopped = false;
let [answers, unhealthy, longestMs, last] = [0, 0, 0, performance.now()];
process.stdin.resume().once('close', () => {
  stopped = true;
});
const ask = () =>
  new Promise((resolve, reject) => {
    get(process.argv[2], { agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    }).once('error', reject);
  });
await ask();
last = performance.now();
console.log('asking');
while (!stopped) {
  const status = await ask();
  const now = performance.now();
  longestMs = Math.max(longestMs, now - last);
  last = now;
  answers++;
  if (status === 503) unhealthy++;
}
console.log(JSON.stringify({ answers, unhealthy, longestMs }));
process.exit(0);
