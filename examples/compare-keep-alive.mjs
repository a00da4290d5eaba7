// The simulator as a library: the same arrivals under every keep-alive policy, with too little memory for all functions at once.
import { ArrayTrace, simulate } from 'iluvatar';

const FUNCTIONS = 12;
const MINUTES = 30;

const functions = Array.from({ length: FUNCTIONS }, (_, i) => ({
  name: `f${i}`,
  memoryMb: 128 * (1 + (i % 3)),
  warmUs: 50_000,
  coldUs: 1_000_000 + 250_000 * i,
}));

// Function i is called every 3 + i seconds, a little late each time.
const arrivals = functions.flatMap(({ name }, i) => {
  const everyUs = (3 + i) * 1_000_000;
  const count = Math.floor((MINUTES * 60_000_000) / everyUs);
  return Array.from({ length: count }, (_, k) => [k * everyUs + ((k * 7919 * (i + 1)) % 500_000), name]);
});
arrivals.sort(([a], [b]) => a - b);

for (const policy of ['lru', 'ttl', 'greedy_dual', 'gdsf', 'hybrid_histogram', 'sieve', 's3_fifo']) {
  const trace = new ArrayTrace(functions, arrivals);
  const config = { keepAlive: { policy, ttlMs: 10_000 }, memory: { budgetMb: 2560 } };
  const { invocations, coldRatio, endToEndUs } = await simulate({ trace, config, seed: 1 }).summary();
  const cold = `${(100 * coldRatio).toFixed(1)} % cold`.padStart(12);
  console.log(policy.padEnd(18), `${invocations} invocations`, cold, `  mean ${(endToEndUs.mean / 1000).toFixed(0)} ms`);
}
