import type { InvocationEnergy } from '../../core/errors.js';
import type { GatewayResult } from '../gateway.js';

/** What an invocation's answer says beside the result: as headers, or as an envelope around the result. */

/** As a flat list, the form that `writeHead` takes without building objects. */
export function resultHeaders(result: GatewayResult): string[] {
  const headers = [
    'x-iluvatar-tid',
    result.tid,
    'x-iluvatar-state',
    result.state ?? 'none',
    'x-iluvatar-queue-us',
    String(result.queueUs),
    'x-iluvatar-start-us',
    String(result.startUs),
    'x-iluvatar-run-us',
    String(result.runUs),
    'x-iluvatar-attempts',
    String(result.attempts),
  ];
  if (result.throttledUs > 0) headers.push('x-iluvatar-throttled-us', String(result.throttledUs));
  const { details, energy = null } = result;
  if (energy !== null) headers.push(...energyHeaders(energy));
  if (details !== null && (details.stdout || details.stderr)) {
    headers.push('x-iluvatar-output', details.evidence?.outputCut === true ? 'cut' : 'captured');
  }
  return headers;
}

/** What is not known has no header. */
function energyHeaders({ joules, cpuMs }: InvocationEnergy): string[] {
  return [
    ...(joules === null ? [] : ['x-iluvatar-energy-uj', String(Math.round(1e6 * joules))]),
    ...(cpuMs === null ? [] : ['x-iluvatar-cpu-us', String(Math.round(1000 * cpuMs))]),
  ];
}

/** An `InvokeResult` with the result's own bytes inside: it is JSON already and may be large, so it is not parsed to be written again. */
export function envelopeOf(result: GatewayResult, payload: Buffer): Buffer {
  const rest = JSON.stringify({
    tid: result.tid,
    containerState: result.state,
    device: result.device ?? undefined,
    phases: {
      queueUs: result.queueUs,
      startUs: result.startUs,
      runUs: result.runUs,
      throttledUs: result.throttledUs,
    },
    attempts: result.attempts,
    stdout: result.details?.stdout ?? '',
    stderr: result.details?.stderr ?? '',
    energy: result.energy ?? undefined,
  });
  return Buffer.concat([Buffer.from('{"result":'), payload, Buffer.from(`,${rest.slice(1)}`)]);
}
