import type { LoadRow } from '../../results/load-row.js';
import type { RowTaker } from '../drivers/calls.js';

/** Rows on their way from one process to another: by columns, since that is a tenth of the work of as many objects. */

const NUMBERS = [
  'arrivalUs',
  'queueUs',
  'startUs',
  'endUs',
  'container',
  'attempts',
  'sentUs',
  'createUs',
  'runUs',
  'cpuUs',
  'energyUj',
  'codeUs',
  'codeCold',
  'client',
  'clients',
] as const satisfies readonly (keyof LoadRow)[];
const TEXTS = [
  'tid',
  'fn',
  'device',
  'state',
  'outcome',
  'worker',
  'backend',
  'error',
] as const satisfies readonly (keyof LoadRow)[];
/** A column that is missing here would be lost on the way. */
type Forgotten = Exclude<keyof LoadRow, (typeof NUMBERS)[number] | (typeof TEXTS)[number]>;
const NOTHING_FORGOTTEN: Forgotten extends never ? true : Forgotten = true;

export interface RowBatch {
  readonly count: number;
  /** Row after row, each with its numbers in their order. */
  readonly numbers: Float64Array;
  readonly texts: readonly string[];
}

/** Gathers rows and sends them on when there are `size` of them, or when it is told to. */
export class RowBatcher implements RowTaker {
  readonly #send: (batch: RowBatch) => void;
  readonly #size: number;
  #count = 0;
  #numbers: Float64Array;
  #texts: string[] = [];

  constructor(size: number, send: (batch: RowBatch) => void) {
    this.#size = size;
    this.#send = send;
    this.#numbers = new Float64Array(size * NUMBERS.length);
  }

  row(row: Readonly<LoadRow>): void {
    const base = this.#count++ * NUMBERS.length;
    for (let i = 0; i < NUMBERS.length; i++) {
      this.#numbers[base + i] = row[NUMBERS[i] as (typeof NUMBERS)[number]];
    }
    for (const name of TEXTS) this.#texts.push(row[name]);
    if (this.#count === this.#size) this.flush();
  }

  flush(): void {
    if (this.#count === 0) return;
    const numbers = this.#numbers.slice(0, this.#count * NUMBERS.length);
    this.#send({ count: this.#count, numbers, texts: this.#texts });
    this.#count = 0;
    this.#texts = [];
  }
}

/** Gives the rows of a batch on, one by one, in one object. */
export function unpackRows({ count, numbers, texts }: RowBatch, taker: RowTaker): void {
  const row = {} as Record<string, number | string>;
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < NUMBERS.length; j++) {
      row[NUMBERS[j] as string] = numbers[i * NUMBERS.length + j] as number;
    }
    for (let j = 0; j < TEXTS.length; j++) row[TEXTS[j] as string] = texts[i * TEXTS.length + j] as string;
    taker.row(row as unknown as LoadRow);
  }
}

void NOTHING_FORGOTTEN;
