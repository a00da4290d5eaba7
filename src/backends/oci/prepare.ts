import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FunctionDefinition } from '../../config/api.js';
import { resolveDataDir } from '../../config/paths.js';
import type { WorkerConfig } from '../../config/schema.js';
import { IluvatarError } from '../../core/errors.js';
import { INIT_FILE } from '../../images/function-layers.js';
import { nativeFile } from '../../native.js';
import type { Lifecycle } from '../lifecycle.js';
import type { BackendLog } from '../log.js';
import { LayerInstaller } from '../process/dependencies.js';
import { type FoundInterpreter, findNode, findPython } from '../process/interpreter.js';
import type { OciEngine } from './engine.js';
import type { OciFunction } from './function.js';
import {
  type FunctionImageContext,
  type FunctionPlan,
  imageReference,
  planFoundImage,
  prepareFunctionImage,
} from './function-image.js';
import { ImageStore } from './image-store.js';

/** Registration: has an image found or made and the engine know it, and lets it go when no function uses it any more. */
export interface PreparerOptions {
  readonly config: WorkerConfig;
  readonly engine: OciEngine;
  readonly lifecycle: Lifecycle;
  readonly log: BackendLog;
  readonly shard: number;
}

export class FunctionPreparer {
  readonly #options: PreparerOptions;
  readonly #context: FunctionImageContext;

  constructor(options: PreparerOptions) {
    const { config, engine, lifecycle, shard } = options;
    this.#options = options;
    const dataDir = resolveDataDir(config);
    const paths = {
      code: join(dataDir, 'store', 'code'),
      layers: join(dataDir, 'store', 'layers'),
      staging: join(dataDir, 'staging', `${engine.name}-${shard}`),
    };
    for (const folder of Object.values(paths)) mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#context = {
      config,
      paths,
      lifecycle,
      layers: new LayerInstaller(paths),
      store: new ImageStore({ dataDir, staging: paths.staging, owner: engine.name, lifecycle }),
      python: once(() => findPython(config.sandbox.python)),
      node: once(() => findNode()),
    };
  }

  /** Removes what earlier runs left of images. */
  async start(): Promise<void> {
    await this.#context.store.sweep();
  }

  async release(fn: OciFunction): Promise<void> {
    await this.#context.store.release(fn);
    try {
      await this.#options.engine.releaseImage(fn.image);
    } catch (error) {
      const { log, engine } = this.#options;
      log.warn({ engine: engine.name, reason: (error as Error).message }, 'an image could not be released');
    }
  }

  async prepare(definition: FunctionDefinition, progress: (line: string) => void): Promise<OciFunction> {
    const found = await this.#find(definition, progress);
    if (found !== null) return { ...withInit(found.plan), image: found.image };
    const { named, ...plan } = await prepareFunctionImage(this.#context, definition, progress);
    try {
      return { ...withInit(plan), image: await this.#options.engine.importImage(named, progress) };
    } catch (error) {
      await this.#context.store.release(plan);
      throw error;
    }
  }

  /** What the engine has already; null = it has to be fetched or built. */
  async #find(
    definition: FunctionDefinition,
    progress: (line: string) => void,
  ): Promise<{ plan: FunctionPlan; image: unknown } | null> {
    const { engine, config } = this.#options;
    const { pull } = config.images;
    const reference = imageReference(definition);
    if (reference === null || pull === 'always') return null;
    const found = await engine.findImage(reference);
    if (found === null && pull === 'never') {
      throw new IluvatarError('not_found', `${engine.name} has no image ${reference}, and images.pull is "never"`);
    }
    if (found === null) return null;
    progress(`${engine.name} has the image ${reference}`);
    return { plan: await planFoundImage(this.#context, definition, found), image: found.image };
  }
}

/** Interpreters are found by running them, which takes longer than all the rest of a registration. What was not found is looked for again. */
function once(find: () => Promise<FoundInterpreter>): () => Promise<FoundInterpreter> {
  let found: Promise<FoundInterpreter> | null = null;
  return async () => {
    const asked = found ?? find();
    found = asked;
    const { interpreter } = await asked;
    if (interpreter === null && found === asked) found = null;
    return asked;
  };
}

/**
 * Its program as the child of a first process of ours, which reaps and hands on signals. Not where it cannot be put: the read-only root of an image that
 * was not made for it.
 */
function withInit(plan: FunctionPlan): FunctionPlan {
  if (plan.definition.source === null && plan.readOnlyRoot) return plan;
  const target = `/${INIT_FILE}`;
  return {
    ...plan,
    process: { ...plan.process, argv: [target, ...plan.process.argv] },
    binds: [...plan.binds, { source: nativeFile('iluvatar-init'), target }],
  };
}
