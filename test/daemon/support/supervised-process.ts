import { pino } from 'pino';
import { workerConfigSchema } from '../../../src/config/schema.js';
import { takeServiceEnvironment } from '../../../src/worker/daemon/service-environment.js';
import { ServiceManager } from '../../../src/worker/daemon/service-manager.js';
import { ServiceReports } from '../../../src/worker/daemon/service-reports.js';
import { Supervisor } from '../../../src/worker/supervisor.js';
import { testProgram } from '../../support/test-program.js';

/** A worker's main thread as it is, over a shard that hangs as it is told (stuck-shard.ts). Arguments: the data folder, and how long the shard may be away; ms. */
const service = takeServiceEnvironment(process.env, process.pid);
const note = (line: string): void => void process.stderr.write(`${line}\n`);
const manager = new ServiceManager({
  address: service.notifyAddress,
  watchdogMs: service.watchdogMs,
  complain: (error) => note(error.message),
});
const supervisor = new Supervisor({
  config: workerConfigSchema.parse({
    dataDir: process.argv[2],
    http: { enabled: false },
    backends: { process: { enabled: false }, simulated: { enabled: true } },
    defaultBackends: ['simulated'],
    supervision: { missedBeatMs: 1000 },
  }),
  log: pino({ level: 'silent' }),
  bringBackMs: Number(process.argv[3]),
  task: testProgram('daemon/support/stuck-shard'),
});
await supervisor.start();
new ServiceReports(manager, note).started({
  get alive() {
    return supervisor.alive;
  },
  status: () => Promise.reject(new Error('a stand-in has none')),
});
