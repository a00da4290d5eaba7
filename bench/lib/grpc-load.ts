import { GrpcWorkerClient } from '../../src/client/grpc/worker-client.js';
import type { InvokeRequest } from '../../src/rpc/gen/iluvatar_rpc.js';
import type { GhzFigures } from './ghz.js';
import { percentile } from './result.js';

/** Our own client in a closed loop: so many callers over one connection, each with its next call when the last is answered. Rejects when an answer was an error. */
export async function grpcLoad(
  address: string,
  clients: number,
  seconds: number,
  request: Partial<InvokeRequest>,
): Promise<GhzFigures> {
  using client = new GrpcWorkerClient(address);
  await client.connected();
  const latencies: number[] = [];
  const begun = performance.now();
  const until = begun + seconds * 1000;
  const caller = async (): Promise<void> => {
    for (let at = performance.now(); at < until; ) {
      const { success, jsonResult } = await client.invoke(request);
      if (!success) throw new Error(`${address}: ${jsonResult}`);
      const now = performance.now();
      latencies.push((now - at) * 1000);
      at = now;
    }
  };
  await Promise.all(Array.from({ length: clients }, caller));
  const throughput = (latencies.length * 1000) / (performance.now() - begun);
  return { calls: latencies.length, throughput, p50Us: percentile(latencies, 50), p99Us: percentile(latencies, 99) };
}
