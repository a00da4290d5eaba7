import type { Device, EngineSettings, FunctionSpec } from '../../core/index.js';
import { BACKEND } from '../simulated-worker.js';

/**
 * One history to try, written out: everything that is chance has been drawn, so that leaving out a part of it changes nothing else. That is what makes a failing
 * one small. Plain JSON; times are µs since its beginning.
 */
export interface FuzzCase {
  readonly seed: number;
  readonly settings: EngineSettings;
  readonly functions: readonly FuzzFunction[];
  /** Of containers that are made. */
  readonly creation: CreationChances;
  /** Commands that take no time are answered from inside. */
  readonly immediate: boolean;
  /** In the order of their times. */
  readonly events: readonly FuzzEvent[];
}

export interface FuzzFunction {
  readonly spec: FunctionSpec;
  readonly creationUs: number;
  readonly destructionUs: number;
  /** Which of its creations fail, whatever the chances say. */
  readonly failing: readonly FailingCreations[];
}

/** The creations of one function from number `from` (0 = its first) to `from + count − 1`, on any backend. */
export interface FailingCreations {
  readonly from: number;
  readonly count: number;
  readonly how: CreationFault;
}

/** `for now`: worth another attempt; `for good`: not; `not able`: the backend cannot, another one may. */
export type CreationFault = 'for now' | 'for good' | 'not able';

/** That a history has. */
export const BACKENDS = [BACKEND, 'spare', 'last'] as const;

/** Chances of one creation; the rest is ready in time. */
export interface CreationChances {
  readonly failsForNow: number;
  readonly failsForGood: number;
  /** Takes up to a hundred times as long. */
  readonly slow: number;
}

export type RunPlan = 'ok' | 'user_error' | 'out_of_memory' | 'crash' | 'crash for now' | 'silence';

export type FuzzEvent =
  | {
      readonly at: number;
      readonly kind: 'invoke';
      readonly fn: number;
      readonly runUs: number;
      readonly plan: RunPlan;
      readonly timeoutMs: number;
    }
  /** The caller of one of the open invocations leaves. */
  | { readonly at: number; readonly kind: 'abandon'; readonly pick: number }
  | {
      readonly at: number;
      readonly kind: 'prewarm';
      readonly fn: number;
      readonly count: number;
      readonly device: Device | null;
    }
  | { readonly at: number; readonly kind: 'unregister'; readonly fn: number }
  | { readonly at: number; readonly kind: 'register'; readonly fn: number }
  /** One of the containers dies, whatever it is doing; being destroyed, too. */
  | { readonly at: number; readonly kind: 'exit'; readonly pick: number; readonly transient: boolean }
  /** An answer about something that was settled before. */
  | { readonly at: number; readonly kind: 'late'; readonly pick: number }
  /** An answer about a container that was given before, or is about something else than it was asked for. */
  | { readonly at: number; readonly kind: 'stray'; readonly pick: number; readonly answer: StrayAnswer }
  /** Time passes without anything being done about it, as when a machine sleeps. */
  | { readonly at: number; readonly kind: 'jump'; readonly us: number }
  | { readonly at: number; readonly kind: 'measured'; readonly pick: number; readonly mb: number }
  | { readonly at: number; readonly kind: 'gpu lost' | 'gpu found'; readonly gpu: number }
  | { readonly at: number; readonly kind: 'gpu reading'; readonly gpu: number; readonly percent: number }
  | { readonly at: number; readonly kind: 'load reading'; readonly perCore: number }
  /** From then on nothing can be made there, or it can again. */
  | { readonly at: number; readonly kind: 'backend down'; readonly backend: number; readonly how: CreationFault }
  | { readonly at: number; readonly kind: 'backend up'; readonly backend: number }
  | { readonly at: number; readonly kind: 'clean' }
  | { readonly at: number; readonly kind: 'drain' }
  | { readonly at: number; readonly kind: 'stop' };

export type StrayAnswer = 'ready' | 'failed' | 'gone';

export type FuzzEventKind = FuzzEvent['kind'];
