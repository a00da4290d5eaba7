import type { FunctionRecord } from '../../core/index.js';
import type { GatewayResult } from '../../server/gateway.js';
import type { Log } from './log.js';
import { STABLE_MESSAGES } from './messages.js';

/** One line for one invocation that has ended (`log.invocations`). `fn` null = it named none that is registered. */
export function writeInvocationLine(log: Log, result: GatewayResult, fn: FunctionRecord | null): void {
  const { tid, errorClass, state, queueUs, startUs, runUs, attempts, backend, energy } = result;
  const told = energy === null || energy === undefined ? {} : { energy };
  const fields = { tid, function: fn?.key, backend, errorClass, state, queueUs, startUs, runUs, attempts, ...told };
  log.info(fields, STABLE_MESSAGES.invocation);
}
