import fc from 'fast-check';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { workerConfigSchema } from '../../../src/config/schema.js';
import { InvokeRequest, InvokeResponse } from '../../../src/rpc/gen/iluvatar_rpc.js';
import type { GatewaySink } from '../../../src/server/gateway.js';
import { type GrpcEdge, startGrpcEdge } from '../../../src/server/grpc/edge.js';
import { frameOf } from '../../../src/server/grpc/message-reader.js';
import { Transport } from '../../../src/transport/transport.js';
import { result, ScriptedGateway } from '../http/scripted-gateway.js';
import { FACTS, GrpcStage, raw, request } from './support.js';

/** Arguments and results that stay in the transport: what a call says comes back byte for byte, and no payload is left. */

/** Gives each invocation its own arguments back, as they lie. */
class EchoingGateway extends ScriptedGateway {
  readonly transport = new Transport({ maxBodyBytes: 1 << 26, spinUs: 0, highWaterBytes: 1 << 20, hello: '' });
  inTransport = 0;

  override resolve(): number {
    return 1;
  }

  override invoke(_fn: number, payload: number | Uint8Array | string, _ms: number, _tid: string, sink: GatewaySink) {
    if (typeof payload === 'number') this.inTransport++;
    sink.settled(result({ payload: typeof payload === 'string' ? Buffer.from(payload) : payload }));
    return 0;
  }

  override body(payload: number): Buffer {
    return this.transport.body(payload);
  }

  override drop(payload: number): void {
    this.transport.drop(payload);
  }
}

let stage: GrpcStage;
let gateway: EchoingGateway;
let edge: GrpcEdge;

beforeEach(async () => {
  stage = new GrpcStage();
  gateway = new EchoingGateway();
  stage.atEnd(() => gateway.transport.destroy());
  edge = await startGrpcEdge({
    gateway,
    config: workerConfigSchema.parse({ name: 'w1', grpc: { enabled: true, port: 0 } }),
    facts: () => FACTS,
    log: pino({ level: 'silent' }),
    transport: gateway.transport,
  });
  stage.atEnd(() => edge.close(0));
});
afterEach(() => stage.end());

/** Any bytes in the place of the text, which the generated codec would not write. */
function withArguments(args: Uint8Array, details: boolean): Buffer {
  const around = Buffer.from(InvokeRequest.encode({ ...request('echo', ''), details }).finish());
  const length: number[] = [];
  let rest = args.length;
  for (; rest >= 0x80; rest >>>= 7) length.push((rest & 0x7f) | 0x80);
  length.push(rest);
  return frameOf(Buffer.concat([around, Buffer.from([0x1a, ...length]), args]));
}

it('come back as they were, whatever they are', async () => {
  const session = stage.session(edge.port);
  const any = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 300 }).map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
    // Beyond the memory for small ones, a frame, and a window.
    fc.nat(200_000).map((bytes) => Buffer.alloc(bytes, 'x')),
  );
  await fc.assert(
    fc.asyncProperty(any, fc.boolean(), async (args, details) => {
      const { body, trailers } = await raw(session, {}, [withArguments(args, details)]);
      expect(trailers['grpc-status']).toBe('0');
      expect(body.readUInt32BE(1)).toBe(body.length - 5);
      const answer = InvokeResponse.decode(body.subarray(5));
      // No text is mended; nothing is null.
      expect(answer.jsonResult).toBe(
        args.length === 0 ? 'null' : new TextDecoder('utf-8', { ignoreBOM: true }).decode(args),
      );
      expect(answer).toMatchObject({ success: true, compute: 1, containerState: 4, worker: details ? 'w1' : '' });
    }),
    { numRuns: 100 },
  );
  expect(gateway.inTransport).toBeGreaterThan(0);
  expect(gateway.transport.counters().payloadsLive).toBe(0);
});
