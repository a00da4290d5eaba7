/**
 * A registered function as the engine sees it: what it needs and how it is treated. How it is made
 * runnable (source, layers, interpreter) is its backend's business and is not here.
 */
export type Device = 'cpu' | 'gpu';

/**
 * What happens when a container needs more than its memory. `kill`, `swap` and `none` are between its backend and the kernel; under `grow` what it runs goes on to its
 * end, and then it is replaced.
 */
export type MemoryPolicy = 'kill' | 'grow' | 'swap' | 'none';

export interface FunctionSpec {
  /** `[A-Za-z0-9][A-Za-z0-9._-]*`, at most 128 characters. */
  readonly name: string;
  /** Same alphabet as the name. */
  readonly version: string;
  /** Reserved before a container is created; MiB. */
  readonly memoryMb: number;
  /** null or absent = `kill`. */
  readonly memoryPolicy?: MemoryPolicy | null;
  /** CPU slots held while running; may be fractional. */
  readonly cpus: number;
  /** Invocations that one container runs at once. */
  readonly concurrency: number;
  /** Most containers of this function at once, on each kind of device; null = as many as memory allows. */
  readonly maxContainers: number | null;
  /** Most invocations of this function queued at once; null = only the worker's bound. */
  readonly queueLimit: number | null;
  /** From enqueueing to the answer; ms. */
  readonly timeoutMs: number;
  /** Idle time after which TTL keep-alive removes a container; null = the worker's. */
  readonly keepAliveMs: number | null;
  /** How often a run that a failure of the platform ended (never a user's error) is tried again. */
  readonly retries: number;
  /** Attempts to make a container on each backend; null or absent = the worker's. */
  readonly createAttempts?: number | null;
  /** Whether the next backend is taken when one cannot make a container; null or absent = as the worker does. */
  readonly fallBack?: boolean | null;
  readonly devices: readonly Device[];
  /** Reserved on the GPU by each of its containers there; MiB, null or absent = the worker's share for one. */
  readonly gpuMemoryMb?: number | null;
  /** Each of its containers needs a network address of its own; absent = no. */
  readonly needsAddress?: boolean;
  /** Accepted backends in order of preference. */
  readonly backends: readonly string[];
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

export function isFunctionName(text: string): boolean {
  return NAME.test(text);
}

/**
 * The key of a function version. Injective, since `@` is in neither alphabet: (`a-b`,`c`) and (`a`,`b-c`)
 * are two functions.
 */
export function functionKey(name: string, version: string): string {
  return `${name}@${version}`;
}
