import * as z from 'zod';

const ms = z.number().int().min(0);

export const grpcSection = z
  .strictObject({
    enabled: z.boolean().default(false).describe('Serve the gRPC service of the original'),
    address: z.string().default('127.0.0.1').describe('Address to listen on'),
    port: z.number().int().min(0).max(65_535).default(8070).describe('Port; 0 = any free one'),
    maxMessageBytes: z
      .number()
      .int()
      .min(1024)
      .max(1024 * 1024 * 1024)
      .default(64 * 1024 * 1024)
      .describe('Largest request message, also once it is decompressed; bytes'),
    maxConcurrentStreams: z
      .number()
      .int()
      .min(1)
      .max(1_000_000)
      .default(1024)
      .describe('Calls at once on one connection; a client holds back more'),
    compressFromBytes: z
      .number()
      .int()
      .min(0)
      .default(1024)
      .describe('Answers from this size are compressed for callers that compress (gzip); bytes'),
    healthWatchMs: ms
      .min(10)
      .default(1000)
      .describe('How often the health is looked at for callers of `grpc.health.v1.Health/Watch`; ms'),
    keepAliveMs: ms
      .default(60_000)
      .describe('A connection that was quiet for so long is asked whether it still lives; ms, 0 = never'),
    keepAliveTimeoutMs: ms.min(1).default(20_000).describe('One that does not answer that for so long is cut off; ms'),
    minPingMs: ms
      .default(5000)
      .describe('Pings of a client that calls nothing may come so often; ms. Too many are answered ENHANCE_YOUR_CALM'),
  })
  .prefault({});
