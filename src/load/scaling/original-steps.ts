import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { LoadRow } from '../../results/load-row.js';
import { JsonListFile, originalInvocation } from '../../results/original-output.js';
import type { Registration } from './timed-registrations.js';

/**
 * A step as the original writes it, `<clients>.json`: a list of {thread_id, data: [invocation, …], registration: {duration_us, result}, errors}. Invocations come in the order of
 * their ends and are wanted by client: until the step has ended each client's stand in a file of their own, so that no step has to fit into memory.
 */
export class OriginalStep {
  readonly #path: string;
  readonly #parts: readonly { readonly path: string; readonly list: JsonListFile; readonly errors: string[] }[];

  constructor(path: string, clients: number) {
    this.#path = path;
    this.#parts = Array.from({ length: clients }, (_, client) => {
      const part = `${path}.${client}.part`;
      return { path: part, list: new JsonListFile(part), errors: [] };
    });
  }

  row(row: Readonly<LoadRow>, beginUnixUs: number): void {
    const part = this.#parts[row.client];
    if (part === undefined) return;
    part.list.add(originalInvocation(row, beginUnixUs));
    // As records and as errors: the original keeps the first alone, and who reads its errors finds none.
    if (row.outcome !== 'ok' && part.errors.length < ERRORS_KEPT) part.errors.push(`${row.outcome}: ${row.error}`);
  }

  /** Puts the parts together. Registrations by client; of a function that all share there is one. */
  async end(registrations: readonly Registration[]): Promise<void> {
    try {
      for (const { list } of this.#parts) list.end();
      const whole = createWriteStream(this.#path);
      for (const [client, { path, errors }] of this.#parts.entries()) {
        const registration = registrations.find(({ version }) => version === String(client)) ?? registrations[0];
        const result =
          registration === undefined ? null : { success: registration.error === null, error: registration.error ?? '' };
        const head = {
          thread_id: client,
          registration: { duration_us: registration?.durationUs ?? 0, result },
          errors,
        };
        whole.write(`${client === 0 ? '[' : ','}\n${JSON.stringify(head).slice(0, -1)},"data":`);
        await pipeline(createReadStream(path), whole, { end: false });
        whole.write('}');
      }
      await new Promise<void>((resolve, reject) => {
        whole.once('error', reject);
        whole.end('\n]\n', resolve);
      });
    } finally {
      for (const { path } of this.#parts) rmSync(path, { force: true });
    }
  }
}

const ERRORS_KEPT = 100;
