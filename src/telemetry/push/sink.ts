import type { Point } from './point.js';

/** A server that takes points. One batch at a time is under way. */
export interface PushSink {
  /** For people and metrics, without anything secret. */
  readonly address: string;
  /**
   * Resolves when the server has them, as far as its protocol tells. Rejects with `PointsRefused` when it never will, with any other Error when it may later, and soon after `signal` is aborted.
   */
  send(points: readonly Point[], signal: AbortSignal): Promise<void>;
  /** Nothing more is sent. */
  close(): void;
}

/** The server is there and says that these very points are wrong: sending them again would keep all later ones from it. */
export class PointsRefused extends Error {}
