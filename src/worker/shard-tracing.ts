import { hostname } from 'node:os';
import type { WorkerConfig } from '../config/schema.js';
import { VERSION } from '../package-files.js';
import { type Log, moduleLog } from '../telemetry/logs/log.js';
import { SpanLines } from '../telemetry/logs/span-lines.js';
import { InvocationObserver } from '../telemetry/tracing/invocation-observer.js';
import type { Attributes } from '../telemetry/tracing/span.js';
import { Tracer } from '../telemetry/tracing/tracer.js';
import { now } from './shard-engine.js';
import type { ShardSupervision } from './supervision/shard-supervision.js';

/** What follows a shard's invocations, as its configuration wants it; null = nothing does. */
export function createInvocationObserver(
  config: WorkerConfig,
  supervision: ShardSupervision,
  log: Log,
): InvocationObserver | null {
  const { tracing, log: logging } = config;
  if (!tracing.enabled && logging.spans === 'none') return null;
  const lines = logging.spans === 'none' ? null : new SpanLines(moduleLog(log, 'spans'), logging.spans);
  if (!tracing.enabled) return new InvocationObserver(null, lines);
  const tracer = new Tracer({
    config: tracing,
    resource: resourceOf(config),
    version: VERSION,
    task: supervision.background('trace-export'),
    log: moduleLog(log, 'tracing'),
    now,
  });
  return new InvocationObserver(tracer, lines);
}

/** By the semantic conventions for resources: https://opentelemetry.io/docs/specs/semconv/resource/. */
function resourceOf({ name, tracing }: WorkerConfig): Attributes {
  const host = hostname();
  return [
    ['service.name', tracing.serviceName],
    ['service.version', VERSION],
    ['service.instance.id', `${name}@${host}`],
    ['host.name', host],
    ['process.pid', process.pid],
    ...Object.entries(tracing.attributes),
  ];
}
