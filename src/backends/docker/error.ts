/** A call to Docker that failed. */
export class DockerError extends Error {
  override readonly name = 'DockerError';
  /** HTTP's; 0 = there was no answer. */
  readonly status: number;
  /** Docker's own words, or the system's. */
  readonly reason: string;

  constructor(call: string, status: number, reason: string) {
    super(`docker: ${call}: ${reason}`);
    this.status = status;
    this.reason = reason;
  }

  get notFound(): boolean {
    return this.status === 404;
  }

  /** The name is taken, the container is not in a state for it, or somebody else is at it. */
  get conflict(): boolean {
    return this.status === 409;
  }

  /** There was no answer. */
  get unavailable(): boolean {
    return this.status === 0;
  }

  /** The daemon is away, or failed at what it may manage the next time. */
  get transient(): boolean {
    return this.status === 0 || this.status >= 500;
  }
}

/** For `catch`: passes over the errors for which `expected` holds. */
export function ignore(expected: (error: DockerError) => boolean): (error: unknown) => undefined {
  return (error) => {
    if (!(error instanceof DockerError && expected(error))) throw error;
    return undefined;
  };
}
