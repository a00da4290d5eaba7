import { seededRandom } from '../../src/core/random.js';
import { blankRow, type LoadRow } from '../../src/results/load-row.js';

const FUNCTIONS = 100;

/** Rows as a load gives them, in one object: 1000 a second, of 100 functions, log-normal times, every fiftieth cold. */
export function* madeRows(count: number): Generator<LoadRow> {
  const random = seededRandom(1);
  const row = blankRow();
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  for (let i = 0; i < count; i++) {
    const cold = i % 50 === 0;
    row.tid = `tid-${i}`;
    row.fn = `function-${Math.floor(random() ** 2 * FUNCTIONS)}@1`;
    row.arrivalUs = i * 1000;
    row.sentUs = row.arrivalUs + Math.floor(100 * random());
    row.queueUs = Math.floor(500 * random());
    row.createUs = cold ? Math.round(80_000 * Math.exp(0.2 * normal())) : -1;
    row.codeUs = Math.round(20_000 * Math.exp(normal()));
    row.runUs = row.codeUs + 300;
    row.endUs = row.sentUs + row.queueUs + Math.max(0, row.createUs) + row.runUs + 200;
    row.startUs = row.endUs - row.runUs;
    row.state = cold ? 'cold' : 'warm';
    row.codeCold = Number(cold);
    row.attempts = 1;
    row.container = 1 + (i % 40);
    row.device = 'cpu';
    row.outcome = i % 500 === 0 ? 'timeout' : 'ok';
    row.worker = 'worker-1';
    row.backend = 'process';
    yield row;
  }
}
