import type { ErrorClass } from '../../core/errors.js';
import type { LoadedFunction } from '../drivers/calls.js';
import type { HealthFacts } from '../generator-health.js';
import type { Share, Work } from '../work.js';
import type { RowBatch } from './row-batch.js';

/** Between the process that records and those that send. */

export interface ChildJob {
  readonly target: string;
  readonly maxBodyBytes: number;
  readonly work: Work;
  readonly functions: readonly LoadedFunction[];
  readonly share: Share;
  readonly clients: number;
}

export type ToChild =
  | { readonly of: 'job'; readonly job: ChildJob }
  | { readonly of: 'go'; readonly originUs: number }
  | { readonly of: 'stop' }
  | { readonly of: 'give-up'; readonly why: string };

export type FromChild =
  | { readonly of: 'ready' }
  | { readonly of: 'rows'; readonly batch: RowBatch; readonly inFlight: number }
  | { readonly of: 'ended'; readonly facts: HealthFacts }
  | { readonly of: 'failed'; readonly errorClass: ErrorClass; readonly message: string };
