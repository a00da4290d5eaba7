import { type TimingsInput, timingsSchema } from '../../../config/timings.js';
import type { Device } from '../../../core/function.js';
import type { RegisterRequest } from '../../../rpc/gen/iluvatar_rpc.js';
import { COMPUTE } from './words.js';

/** A registration in the original's words: its checks, in its order, and the definition that it comes to here. */

/** What a registration is measured by, in force now. */
export interface RegistrationFacts {
  readonly limits: { readonly memoryMinMb: number; readonly memoryMaxMb: number; readonly cpusMax: number };
  readonly gpus: number;
  /** Names of the backends that are there. */
  readonly backends: readonly string[];
}

/** A definition as the control plane takes it. */
export type Definition = Record<string, unknown>;

/** Bits of `isolate`, by the backend that each asks for. */
const ISOLATION: readonly (readonly [bit: number, backend: string])[] = [
  [1, 'containerd'],
  [2, 'docker'],
];
const CONTAINER_SERVER_UNIX_SOCKET = 1;
/** Bits that the original knows; others it leaves out. */
const KNOWN_COMPUTE = 0b111;

/** The first that is wrong, as a sentence, or what is to be registered. `taken`: something is registered under that name and version. */
export function definitionOf(
  request: RegisterRequest,
  { limits, gpus, backends }: RegistrationFacts,
  taken: (name: string, version: string) => boolean,
): Definition | string {
  const { functionName: name, functionVersion: version, imageName, memory, cpus, parallelInvokes } = request;
  const timings = timingsOf(request.resourceTimingsJson);
  if (typeof timings === 'string') return timings;
  if (name === '') return 'Invalid function name: it is empty';
  if (version === '') return 'Invalid function version: it is empty';
  const { memoryMinMb, memoryMaxMb, cpusMax } = limits;
  if (memory < memoryMinMb || memory > memoryMaxMb) {
    return `Illegal memory allocation request: ${memory} MB is outside ${memoryMinMb} to ${memoryMaxMb}`;
  }
  if (cpus < 1 || cpus > cpusMax) return `Illegal cpu allocation request: ${cpus} is outside 1 to ${cpusMax}`;
  if (parallelInvokes !== 1) return `Illegal parallel invokes set: it must be 1, not ${parallelInvokes}`;
  if (/[/\\]/.test(name)) return `Illegal characters in function name: "${name}" has a slash or a backslash`;
  const wanted = ISOLATION.filter(([bit]) => (request.isolate & bit) !== 0).map(([, backend]) => backend);
  if (wanted.length === 0) return 'Could not register function with no specified isolation';
  const compute = request.compute & KNOWN_COMPUTE;
  if (compute === 0) return 'Could not register function with no specified compute';
  const devices = devicesOf(compute, gpus);
  if (typeof devices === 'string') return devices;
  if (taken(name, version)) return `Function ${name}-${version} is already registered!`;
  const missing = wanted.filter((backend) => !backends.includes(backend));
  if (missing.length > 0) {
    return `Could not register function with isolation ${missing.join(', ')}: this worker has ${backends.join(', ')}`;
  }
  return {
    name,
    version,
    image: imageName,
    memoryMb: memory,
    cpus,
    backends: wanted,
    devices,
    // All containers of the original have an address; its HTTP agents are reached there.
    network: 'bridge',
    // What the original does with a number that it does not know.
    server: request.containerServer === CONTAINER_SERVER_UNIX_SOCKET ? 'legacy-socket' : 'http',
    ...(timings === null ? {} : { timings }),
  };
}

/** Null = none were given. */
function timingsOf(json: string): TimingsInput | null | string {
  if (json === '') return null;
  try {
    const parsed = timingsSchema.safeParse(JSON.parse(json));
    return parsed.success ? parsed.data : `Failed to parse resource timings: ${parsed.error.issues[0]?.message ?? ''}`;
  } catch (error) {
    return `Failed to parse resource timings: ${(error as Error).message}`;
  }
}

function devicesOf(compute: number, gpus: number): Device[] | string {
  const known = COMPUTE.cpu | COMPUTE.gpu;
  const unsupported = [
    ...((compute & ~known) === 0 ? [] : ['FPGA']),
    ...((compute & COMPUTE.gpu) === 0 || gpus > 0 ? [] : ['GPU']),
  ];
  if (unsupported.length > 0) {
    return `Could not register function for compute ${unsupported.join(' | ')}: the worker has no devices of that type`;
  }
  return devicesIn(compute);
}

/** The devices of some bits, the CPU first. */
export function devicesIn(compute: number): Device[] {
  return (['cpu', 'gpu'] as const).filter((device) => (compute & COMPUTE[device]) !== 0);
}
