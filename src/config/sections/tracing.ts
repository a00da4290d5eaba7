import * as z from 'zod';

/** `tracing`: spans of invocations, sent to a collector of OpenTelemetry. Off, it costs nothing. */

const ms = z.number().int();

export const tracingSection = z
  .strictObject({
    enabled: z.boolean().default(false).describe('Make a trace of each sampled invocation, and send it to a collector'),
    endpoint: z
      .url({ protocol: /^https?$/ })
      .default('http://127.0.0.1:4318/v1/traces')
      .describe('Where to: the whole URL for OTLP over HTTP (binary protocol buffers)'),
    headers: z
      .record(z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/), z.string())
      .default({})
      .describe('Sent with each request, such as an API key'),
    compression: z.enum(['none', 'gzip']).default('none').describe('Of requests'),
    sampling: z
      .strictObject({
        ratio: z.number().min(0).max(1).default(1).describe('Part of the traces begun here that is recorded'),
        parentBased: z
          .boolean()
          .default(true)
          .describe('A caller that sends `traceparent` has decided: its flag goes; false = `ratio` decides for all'),
      })
      .prefault({}),
    propagate: z
      .boolean()
      .default(true)
      .describe('Give functions and webhooks the context (`traceparent`), so that their own spans join the trace'),
    serviceName: z.string().min(1).default('iluvatar').describe('`service.name` of the spans'),
    attributes: z
      .record(z.string().min(1), z.string())
      .default({})
      .describe('More attributes of the resource, such as deployment.environment.name'),
    bufferSpans: z
      .number()
      .int()
      .min(64)
      .max(1_048_576)
      .default(16_384)
      .describe('Spans kept until they are sent; beyond it the oldest are dropped and counted'),
    batchSpans: z.number().int().min(8).max(8192).default(512).describe('Most spans in one request, about'),
    intervalMs: ms.min(10).default(1000).describe('Spans wait at most so long for others to be sent with; ms'),
    timeoutMs: ms.min(10).default(10_000).describe('A collector that takes longer for a request has failed; ms'),
    stopMs: ms.min(0).default(2000).describe('When the worker stops, what is left has so long to be sent; ms'),
  })
  .prefault({});

export type TracingConfig = z.output<typeof tracingSection>;
