import { pino } from 'pino';
import type { WorkerConfigInput } from '../../../src/config/schema.js';
import { faultySupervisor } from './faulty-worker.js';

/** A worker that can misbehave, in a process of its own: for faults that end the process. Says `ready`, and stops on SIGTERM. */
const config = JSON.parse(process.argv[2] as string) as WorkerConfigInput & { dataDir: string };
const supervisor = faultySupervisor(config, pino({ level: 'silent' }));
await supervisor.start();
process.once('SIGTERM', () => void supervisor.stop(1000).then(() => process.exit(0)));
console.log('ready');
