/** Frames that a function writes on its agent's connection, and what becomes of its container. The neighbours' runs end as they would have. */
export interface Forgery {
  readonly what: string;
  /** The end of the attacker's own run. */
  readonly own: 'crashed' | 'answered';
}

export const FORGERIES: readonly Forgery[] = [
  ...[
    ...['a result of another function', 'ready again', 'hello again', 'a hello of a spawner', 'an exit', 'a spawn'],
    ...['an assign', 'an invocation', 'a call of the control plane', 'an unknown type', 'a body over the limit'],
    ...['a meta over the limit', 'half a frame', 'garbage'],
  ].map((what) => ({ what, own: 'crashed' as const })),
  // The first is its own answer, whatever it says; after the second it is believed nothing any more.
  { what: 'a result twice', own: 'answered' },
  { what: 'a meta that is no text', own: 'answered' },
  { what: 'a meta that is deep', own: 'answered' },
  { what: 'an unknown status', own: 'answered' },
];
