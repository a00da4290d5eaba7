import type { MethodName } from '../../../config/api.js';
import type { WorkerConfig } from '../../../config/schema.js';
import type { Gateway } from '../../gateway.js';
import { isTid } from '../../http/request-headers.js';
import { GrpcCode, GrpcFailure } from '../status.js';
import type { RegistrationFacts } from './registration.js';

/** What the methods of the worker's service work with. */
export interface MethodContext {
  readonly gateway: Gateway;
  readonly config: WorkerConfig;
  facts(): RegistrationFacts;
}

/** A call of the control plane whose progress nobody sees. */
export function control(context: MethodContext, method: MethodName, params: unknown, body: Uint8Array | null = null) {
  return context.gateway.call(method, params, body, noProgress);
}

function noProgress(): void {}

const TID_RULE = 'transaction_id must be at most 128 printable characters without spaces';

/** The caller's transaction id as a parameter, if it gave one. */
export function tidOf(transactionId: string): { tid?: string } {
  if (transactionId === '') return {};
  checkTid(transactionId);
  return { tid: transactionId };
}

export function checkTid(transactionId: string): void {
  if (transactionId !== '' && !isTid(transactionId)) throw new GrpcFailure(GrpcCode.invalidArgument, TID_RULE);
}
