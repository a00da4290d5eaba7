import type { MethodName } from '../../../config/api.js';
import type { WorkerConfig } from '../../../config/schema.js';
import type { Gateway } from '../../gateway.js';
import { isTid } from '../../http/request-headers.js';
import type { GrpcCall } from '../grpc-call.js';
import { metadataText } from '../request-headers.js';
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

const TID_RULE = 'a transaction id has at most 128 printable characters, and no spaces';

/** The transaction id of the message, else of the metadata; '' = the caller gave none. Throws for one that could not stand in a log line. */
export function tidOf(transactionId: string, { headers }: Pick<GrpcCall, 'headers'>): string {
  const tid = transactionId === '' ? metadataText(headers, 'x-iluvatar-tid') : transactionId;
  if (tid !== '' && !isTid(tid)) throw new GrpcFailure(GrpcCode.invalidArgument, TID_RULE);
  return tid;
}

/** As a parameter of the control plane. */
export function tidParameter(transactionId: string, call: Pick<GrpcCall, 'headers'>): { tid?: string } {
  const tid = tidOf(transactionId, call);
  return tid === '' ? {} : { tid };
}
