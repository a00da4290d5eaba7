import type { OciBody } from './body.js';
import type { EngineContainer, OciContext } from './context.js';

/** A container of an earlier process whose function is gone: there to be destroyed, and nothing that it says is listened to. */
export class StrandedContainer implements EngineContainer {
  readonly name: string;
  readonly #body: OciBody;
  readonly #context: OciContext;
  #destroyed: Promise<void> | null = null;

  constructor(name: string, body: OciBody, context: OciContext) {
    this.name = name;
    this.#body = body;
    this.#context = context;
  }

  get engineName(): string {
    return this.#body.engineName;
  }

  get cgroupDirs(): readonly string[] {
    return this.#body.dirs;
  }

  destroy(): Promise<void> {
    this.#destroyed ??= this.#destroy();
    return this.#destroyed;
  }

  keepable(): null {
    return null;
  }

  run(): void {}
  cancel(): void {}
  cpuUs(): null {
    return null;
  }
  exited(): void {}
  wrote(): void {}

  async #destroy(): Promise<void> {
    const { gone, leftBehind } = this.#context;
    const left = await this.#body.remove();
    gone(this);
    if (left) leftBehind();
  }
}
