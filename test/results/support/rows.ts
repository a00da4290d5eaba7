import type { LoadRow } from '../../../src/results/load-row.js';

/** A row of a load: a warm success of 10 ms, sent and answered in time, unless said otherwise. */
export function loadRow(changes: Partial<LoadRow> = {}): LoadRow {
  const arrivalUs = changes.arrivalUs ?? 0;
  const sentUs = changes.sentUs ?? arrivalUs;
  return {
    tid: 't1',
    fn: 'hello@1',
    arrivalUs,
    queueUs: 100,
    startUs: sentUs + 1000,
    endUs: sentUs + 12_000,
    device: 'cpu',
    container: 1,
    state: 'warm',
    attempts: 1,
    outcome: 'ok',
    sentUs,
    createUs: -1,
    runUs: 11_000,
    codeUs: 10_000,
    codeCold: 0,
    worker: 'w',
    backend: 'process',
    client: -1,
    clients: -1,
    error: '',
    cpuUs: -1,
    energyUj: -1,
    ...changes,
  };
}
