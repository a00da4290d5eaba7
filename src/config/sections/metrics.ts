import * as z from 'zod';

/** `metrics`: what is told of functions one by one, and the servers that metrics are pushed to. */

const ms = z.number().int().min(0);
const host = z.string().min(1);
const port = z.number().int().min(1).max(65_535);
const secret = z.string().default('');

export const graphiteSinkSchema = z.strictObject({
  host: host.describe('Where carbon listens for plaintext'),
  port: port.default(2003),
  prefix: z
    .string()
    .regex(/^[A-Za-z0-9_.-]*$/)
    .default('iluvatar')
    .describe('Begins each name: `<prefix>.<worker>.<measurement>.<field>`'),
});

export const influxSinkSchema = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).describe('Of the server, such as http://127.0.0.1:8086'),
  api: z.enum(['v1', 'v2']).default('v2').describe('v1 = /write, to a database; v2 = /api/v2/write, to a bucket'),
  bucket: z.string().min(1).default('workers').describe('Bucket, or database'),
  functionsBucket: z.string().min(1).default('functions').describe('The same, for what is told of functions'),
  org: z.string().default('').describe('v2: organisation'),
  token: secret.describe('v2'),
  tokenFile: z.string().default('').describe('v2: a file that holds the token'),
  user: z.string().default('').describe('v1'),
  password: secret.describe('v1'),
  create: z.boolean().default(true).describe('Make buckets that are not there'),
  retentionHours: z.number().int().min(0).default(3).describe('Of buckets that are made; 0 = for ever'),
});

export type GraphiteSinkConfig = z.output<typeof graphiteSinkSchema>;
export type InfluxSinkConfig = z.output<typeof influxSinkSchema>;

export const metricsSection = z
  .strictObject({
    functions: z
      .number()
      .int()
      .min(0)
      .max(100_000)
      .default(100)
      .describe(
        'Functions that have series of their own, the first that are seen; the others are counted together as `other`',
      ),
    push: z
      .strictObject({
        graphite: z
          .array(graphiteSinkSchema)
          .max(16)
          .default([])
          .describe('Graphite servers that metrics are pushed to'),
        influx: z.array(influxSinkSchema).max(16).default([]).describe('InfluxDB servers that metrics are pushed to'),
        periodMs: ms.min(100).default(10_000).describe('How often; ms'),
        functions: z.boolean().default(false).describe('Push what is told of functions, too'),
        tags: z
          .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string())
          .default({})
          .describe('Added to every point; in Graphite they make tagged series (1.1 or later)'),
        bufferPoints: z
          .number()
          .int()
          .min(1)
          .max(10_000_000)
          .default(10_000)
          .describe('Points kept for each server that does not take them; then the oldest are dropped and counted'),
        batchPoints: z.number().int().min(1).max(100_000).default(1000).describe('Most points sent at once'),
        timeoutMs: ms.min(1).default(5000).describe('A server that takes longer has failed; ms'),
        firstPauseMs: ms
          .min(1)
          .default(500)
          .describe('Pause after a failure; doubled with each further one, half of it left to chance; ms'),
        longestPauseMs: ms.min(1).default(60_000).describe('Longest such pause; ms'),
      })
      .prefault({}),
  })
  .prefault({});
