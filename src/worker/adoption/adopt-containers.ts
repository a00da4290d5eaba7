import type { Backend, PreparedFunction } from '../../backends/backend.js';
import { closeAll, type KeptContainer } from '../../backends/kept.js';
import type { Engine } from '../../core/engine.js';
import type { FunctionRecord } from '../../core/function-record.js';
import { failpoint } from '../../failpoints.js';
import type { Log } from '../../telemetry/logs/log.js';
import type { ContainerDriver } from '../container-driver.js';
import { DrivenContainer } from '../driven-container.js';
import type { Holdings, LeftContainer } from './holdings.js';
import type { KeptEntry } from './kept-entry.js';
import { HALF_SENT } from './run-marks.js';

/** Takes over the containers that an earlier process, or a shard that crashed, has left: those that answer in time serve on, and the others are removed. */

export interface AdoptionParts {
  readonly backends: ReadonlyMap<string, Backend>;
  readonly engine: Engine;
  readonly driver: ContainerDriver;
  readonly holdings: Holdings;
  /** What is registered now under this key; null = nothing. */
  registered(key: string, backend: string): { record: FunctionRecord; prepared: PreparedFunction } | null;
  readonly answerMs: number;
  /** Nobody waits for them any more: those that have not answered are removed. */
  readonly ended: AbortSignal;
  readonly log: Log;
}

/** Those of one backend, as it wants them at its start. */
export function keptOf(left: readonly LeftContainer[], backend: string): KeptContainer[] {
  return left.flatMap((one) => (one.entry?.backend === backend ? [keptContainer(one, one.entry)] : []));
}

/** After the functions are registered. Never rejects. */
export async function adoptContainers(left: readonly LeftContainer[], parts: AdoptionParts): Promise<void> {
  const outcomes = await Promise.all(left.map((one) => adoptOne(one, parts)));
  const adopted = outcomes.filter(Boolean).length;
  if (left.length > 0) parts.log.info({ adopted, removed: left.length - adopted }, 'warm containers were taken over');
}

async function adoptOne(left: LeftContainer, parts: AdoptionParts): Promise<boolean> {
  const { backends, driver, holdings, log } = parts;
  const { entry, name } = left;
  const backend = entry === null ? undefined : backends.get(entry.backend);
  if (entry === null || backend === undefined) {
    // Whatever it is: with its connections closed it ends, and what is left of it is found by its name.
    holdings.drop(name);
    closeAll(left.fds);
    return false;
  }
  const driven = new DrivenContainer(driver, holdings.marks);
  driven.mark = entry.mark;
  driven.keptAs = name;
  driven.keptFor = entry.function;
  driver.keptAlready(driven);
  failpoint('recovery.adopting');
  try {
    if (await answers(driven, backend, left, entry, parts)) return true;
  } catch (error) {
    log.warn({ container: name, reason: (error as Error).message }, 'a container could not be taken over');
  }
  driver.unkeep(driven);
  await driven.destroy('clean');
  return false;
}

/** Whether it has become the engine's. */
function answers(
  driven: DrivenContainer,
  backend: Backend,
  left: LeftContainer,
  entry: KeptEntry,
  { engine, registered, answerMs, ended, log }: AdoptionParts,
): Promise<boolean> {
  const { device, gpu } = entry;
  const target = registered(entry.function, entry.backend);
  const same = target !== null && target.prepared.digest === entry.digest && left.running !== HALF_SENT;
  return new Promise((resolve) => {
    ended.addEventListener('abort', () => resolve(false), { once: true });
    driven.adoption = (ready) => {
      driven.adoption = null;
      if (!ready || target === null) {
        log.info({ container: left.name, function: entry.function }, 'a container did not answer its new worker');
        resolve(false);
        return;
      }
      driven.container = engine.adopt(target.record, { backend: entry.backend, device, gpu, handle: driven });
      if (driven.container !== null) driven.marked();
      resolve(driven.container !== null);
    };
    driven.backend = backend.adopt(keptContainer(left, entry), same ? target.prepared : null, answerMs, driven);
    driven.created();
    if (!same) resolve(false);
  });
}

function keptContainer({ name, fds, running }: LeftContainer, { facts }: KeptEntry): KeptContainer {
  return { name, facts, fds, running };
}
