/**
 * The only source of time in `core/`. Live it is the monotonic clock, in simulation a number that jumps.
 * Integer microseconds from an arbitrary origin; never goes back. It does not promise wall time.
 */
export interface Clock {
  now(): number;
}
