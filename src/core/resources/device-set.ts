/**
 * The devices of one kind, as a scheduler sees them: a token admits one running invocation to a device, an attachment one container, running or
 * idle. Devices have indexes; -1 stands for the CPU, which needs neither.
 */
export interface DeviceSet {
  /** Invocations that all of them run at once; Infinity = other things limit that. */
  readonly tokens: number;
  /** Those with a free token, the one to try first first. */
  candidates(): readonly number[];
  hasToken(device: number): boolean;
  takeToken(device: number): void;
  releaseToken(device: number): void;
  /** The device where one more container with this much device memory (MiB) does best; null = there is room on none. */
  roomiest(memoryMb: number): number | null;
}

const CPU = [-1];

/** The CPU: what limits it are its slots, which every invocation takes, whatever device it runs on. */
export class CpuDevice implements DeviceSet {
  readonly tokens = Number.POSITIVE_INFINITY;

  candidates(): readonly number[] {
    return CPU;
  }

  hasToken(): boolean {
    return true;
  }

  takeToken(): void {}

  releaseToken(): void {}

  roomiest(): number {
    return -1;
  }
}
