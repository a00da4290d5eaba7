import { type ArrivalBatch, BATCH_SIZE } from './trace-source.js';

/** One batch, filled again and again. */
export class BatchBuilder implements ArrivalBatch {
  count = 0;
  readonly atUs = new Float64Array(BATCH_SIZE);
  readonly fn = new Uint32Array(BATCH_SIZE);

  get full(): boolean {
    return this.count === BATCH_SIZE;
  }

  add(atUs: number, fn: number): void {
    this.atUs[this.count] = atUs;
    this.fn[this.count++] = fn;
  }
}
