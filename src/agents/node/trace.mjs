/**
 * What a function is told of the trace that its invocation is part of: the environment variables TRACEPARENT and TRACESTATE, as OpenTelemetry has them. Set while an
 * invocation runs that is part of one; only where a container runs one invocation at a time, since an environment is its whole process's.
 */
const { parse } = JSON;
const NAMES = { traceparent: 'TRACEPARENT', tracestate: 'TRACESTATE' };
const { env } = process;

/** `meta`: of INVOKE; '' = the invocation is part of none. Returns whether there is something to be taken back. */
export function tell(meta) {
  const fields = meta === '' ? {} : parse(meta);
  let told = false;
  for (const [field, name] of Object.entries(NAMES)) {
    if (fields[field]) {
      env[name] = fields[field];
      told = true;
    } else delete env[name];
  }
  return told;
}
