// Runs a built worker under its supervisor until its input ends: `node --expose-gc serve.mjs '<config as JSON>'`. Says `ready` when it serves. Its shard collects its
// garbage when asked to, so that what a heap holds can be told from what has not been collected yet.
import { fileURLToPath } from 'node:url';
import { parseConfig } from '../../dist/config/load.js';
import { closeLog, createLog } from '../../dist/telemetry/logs/log.js';
import { Supervisor } from '../../dist/worker/supervisor.js';
import { collectWhenAsked } from './collect.mjs';

const config = parseConfig(JSON.parse(process.argv[2] ?? '{}'));
const log = createLog(config);
const task = { filename: fileURLToPath(new URL('./collecting-shard.mjs', import.meta.url)), execArgv: [] };
const supervisor = new Supervisor({ config, log, task });
await supervisor.start();
collectWhenAsked(config.dataDir, 'main');
console.log('ready');
// A terminal's Ctrl-C goes to all of its processes. This one ends when its owner, which clears up, closes its input.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {});
process.stdin.resume();
process.stdin.once('close', () => {
  void supervisor
    .stop(1000)
    .then(() => closeLog(log))
    .then(() => process.exit(0));
});
