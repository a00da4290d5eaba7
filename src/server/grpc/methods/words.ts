import type { Device } from '../../../core/function.js';
import { ContainerState } from '../../../rpc/gen/iluvatar_rpc.js';

/** The original's numbers and texts for what has other names here. */

/** Bits. */
export const COMPUTE: Readonly<Record<Device, number>> = { cpu: 1, gpu: 2 };

export const CONTAINER_STATE = {
  cold: ContainerState.COLD,
  prewarm: ContainerState.PREWARM,
  warm: ContainerState.WARM,
} as const;

/** What stands in the place of a result where there is none; UTF-8. */
export function errorJson(message: string): Buffer {
  return Buffer.from(JSON.stringify({ Error: message }));
}

export const NOT_REGISTERED = errorJson('Function was not registered');
export const NOT_COMPLETED = '{ "Status": "Invocation not completed" }';
