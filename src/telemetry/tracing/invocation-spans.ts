import type { FailedAttempt } from '../../core/index.js';
import type { InvocationTrace } from './invocation-trace.js';
import { type Phase, phasesOf, type SettledInvocation } from './settled-invocation.js';
import { type Attributes, type AttributeValue, type Span, type SpanEvent, SpanKind } from './span.js';
import type { TraceIds } from './trace-ids.js';
import type { WallClock } from './wall-clock.js';

/**
 * An ended invocation as spans: one for the whole of it, named as its function, and one for each phase. Attributes are those of OpenTelemetry's semantic conventions for functions
 * (`faas.*`, `error.type`, `exception.*`) where there is one, else `iluvatar.*`. The worker runs many functions, so that what the conventions have as attributes of the resource
 * (`faas.name`, …) is on the span.
 */
export function spansOf(trace: InvocationTrace, settled: SettledInvocation, ids: TraceIds, clock: WallClock): Span[] {
  const { traceId, spanId, parentId, tracestate } = trace;
  const { fn, errorClass, message, enqueuedAt, endedAt, trigger } = settled;
  const error = errorClass === null ? null : (message ?? errorClass);
  const common = { traceId, tracestate, events: [] };
  const spans: Span[] = [
    {
      ...common,
      spanId,
      parentId,
      name: fn.spec.name,
      // What was accepted before is taken up here; else somebody waits for the answer.
      kind: trigger === 'pubsub' || trigger === 'timer' ? SpanKind.consumer : SpanKind.server,
      startUs: clock.unixUs(enqueuedAt),
      endUs: clock.unixUs(endedAt),
      attributes: invocationAttributes(settled),
      events: eventsOf(settled, clock),
      error,
    },
  ];
  const phases = phasesOf(settled);
  const last = phases.at(-1);
  for (const phase of phases) {
    const isRun = phase.name === 'run';
    spans.push({
      ...common,
      spanId: isRun ? trace.runId : ids.span(),
      parentId: spanId,
      name: phase.name,
      kind: isRun ? SpanKind.client : SpanKind.internal,
      startUs: clock.unixUs(phase.from),
      endUs: clock.unixUs(phase.to),
      attributes: phaseAttributes(phase, settled),
      error: phase === last ? error : null,
    });
  }
  return spans;
}

function invocationAttributes(settled: SettledInvocation): Attributes {
  const { fn, tid, device, state, backend, container, attempts, errorClass, throttledUs, trigger } = settled;
  const { name, version, memoryMb } = fn.spec;
  const list: [string, AttributeValue][] = [
    ['faas.name', name],
    ['faas.version', version],
    ['faas.max_memory', memoryMb * 1024 * 1024],
    ['faas.trigger', trigger],
    ['faas.invocation_id', tid],
    ['iluvatar.device', device],
    ['iluvatar.attempts', attempts],
  ];
  if (state !== null) list.push(['faas.coldstart', state === 'cold'], ['iluvatar.container.state', state]);
  if (container !== '') list.push(['faas.instance', container]);
  if (backend !== null) list.push(['iluvatar.backend', backend]);
  if (throttledUs > 0) list.push(['iluvatar.throttled_us', throttledUs]);
  if (errorClass !== null) list.push(['error.type', errorClass]);
  return list;
}

function phaseAttributes({ name }: Phase, { fn, state, backend, runUs }: SettledInvocation): Attributes {
  if (name === 'queue') return [];
  const list: [string, AttributeValue][] = [];
  if (backend !== null) list.push(['iluvatar.backend', backend]);
  if (name === 'create') {
    if (state !== null) list.push(['iluvatar.container.state', state]);
    return list;
  }
  // As the agent measured it; the rest of the span is the way there and back.
  return [['faas.invoked_name', fn.spec.name], ['iluvatar.run_us', runUs], ...list];
}

function eventsOf(
  { failedAttempts, details, errorClass, message, endedAt }: SettledInvocation,
  clock: WallClock,
): SpanEvent[] {
  const events = (failedAttempts ?? []).map((one, index) => attemptEvent(one, index + 1, clock));
  if (errorClass !== null && details?.traceback !== undefined) {
    events.push({
      name: 'exception',
      atUs: clock.unixUs(endedAt),
      attributes: [
        ['exception.type', errorClass],
        ['exception.message', message ?? ''],
        ['exception.stacktrace', details.traceback],
      ],
    });
  }
  return events;
}

function attemptEvent(one: FailedAttempt, attempt: number, clock: WallClock): SpanEvent {
  return {
    name: one.step === 'create' ? 'creation failed' : 'run lost',
    atUs: clock.unixUs(one.at),
    attributes: [
      ['iluvatar.attempt', attempt],
      ['iluvatar.backend', one.backend],
      ['error.type', one.errorClass],
      ['exception.message', one.message],
    ],
  };
}
