/** Where series are kept: a server that has read a worker's metrics, or was told them. */

/** Wall clock of the source; ms; both ends belong to it. */
export interface Window {
  readonly beginMs: number;
  readonly endMs: number;
}

export interface Selection {
  /** In the words of the source: targets, queries, measurements. Empty = what a worker of ours has there. */
  readonly series: readonly string[];
  /** Where the source computes values: how far apart; ms. */
  readonly stepMs: number;
}

export interface FetchedSeries {
  readonly series: string;
  /** Empty = it is not said of which. */
  readonly worker: string;
  /** In order of time; wall clock of whoever stamped them, ms. */
  readonly points: readonly { readonly timeMs: number; readonly value: number }[];
}

/** How far another clock is ahead of this machine's; ms. */
export interface ClockOffset {
  readonly offsetMs: number;
  /** The truth lies within so much of it, on either side. */
  readonly uncertaintyMs: number;
  /** How it was found. */
  readonly method: string;
}

export interface SeriesSource {
  /** For people and records, without anything secret. */
  readonly address: string;
  /** `graphite`, `prometheus`, `influx`, `energy`. */
  readonly kind: string;
  /** Whose clock its times are of: its own, or that of the workers which pushed them. */
  readonly stampedBy: 'source' | 'worker';
  /** Rejects with an IluvatarError `unavailable`, as `fetch` does. */
  clockOffset(signal: AbortSignal): Promise<ClockOffset>;
  /** Points of the window, and of no other time. Rejects with an IluvatarError: `unavailable`, or `invalid` when the source refuses the selection. */
  fetch(window: Window, selection: Selection, signal: AbortSignal): Promise<FetchedSeries[]>;
}

export function within<Point extends { readonly timeMs: number }>(points: readonly Point[], window: Window): Point[] {
  return points.filter(({ timeMs }) => timeMs >= window.beginMs && timeMs <= window.endMs);
}
