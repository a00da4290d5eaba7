/** What some server is told of one moment: a measurement with fields, and the tags that it is found by. */
export interface Point {
  readonly measurement: string;
  /** Influx: found by. Graphite: tagged series, where there are any besides those that are in the name. */
  readonly tags: Readonly<Record<string, string>>;
  readonly fields: readonly Field[];
  /** Graphite: what stands between the prefix and the field's name. */
  readonly path: readonly string[];
  /** Wall clock; ms. */
  readonly timeMs: number;
}

/** `integer` fields are written as such: a server that has once seen a fraction in a field refuses whole numbers there, and the other way round. */
export interface Field {
  readonly name: string;
  readonly value: number;
  readonly integer: boolean;
}

/** The measurement of single functions, which has a bucket of its own in InfluxDB. */
export const FUNCTION_LOAD = 'function_load';

export function whole(name: string, value: number): Field {
  return { name, value: Math.round(value), integer: true };
}

export function fraction(name: string, value: number): Field {
  return { name, value, integer: false };
}
