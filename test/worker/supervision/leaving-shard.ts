import { existsSync } from 'node:fs';
import type { FromShard, ShardEnd, ShardTask, ToShard } from '../../../src/worker/shard-messages.js';
import { Beat } from '../../../src/worker/supervision/beats.js';

/**
 * A shard that serves nobody, and whose end is heard of before its answer when it is to hand over: it gives none. With a file `refuses` in its data folder it refuses, with one `crashes` it crashes
 * instead.
 */
export async function runShard({ config, port, beats }: ShardTask): Promise<ShardEnd> {
  const beat = new Beat(beats);
  const beating = setInterval(() => beat.beat(), 100);
  const tell = (message: FromShard): void => port.postMessage(message);
  try {
    return await new Promise((resolve, reject) => {
      port.on('message', (message: ToShard) => {
        if (message.type === 'stop') resolve(null);
        if (message.type !== 'handOver') return;
        if (existsSync(`${config.dataDir}/crashes`)) reject(new Error('it went'));
        else if (existsSync(`${config.dataDir}/refuses`)) {
          const error = { errorClass: 'unavailable', message: 'not now', details: {} } as const;
          tell({ type: 'handedOver', id: message.id, error });
        } else resolve(null);
      });
      tell({ type: 'listening', httpPort: null, grpcPort: null });
    });
  } finally {
    clearInterval(beating);
    port.close();
  }
}
