import { type JsonSchema, workerJsonSchema } from './json-schema.js';
import { isLive } from './live-options.js';

/**
 * The options of a worker as a flat list, walked out of the schema: what the loader, `config explain`, and the documentation share. A *field* is what one value
 * can be given for; sections (`http`) are only the way to it.
 */

/** `any`: several types; text that is JSON is read as such. */
export type FieldKind = 'string' | 'number' | 'integer' | 'boolean' | 'enum' | 'list' | 'map' | 'any';

export interface ConfigField {
  /** `http.port` */
  readonly key: string;
  readonly path: readonly string[];
  readonly kind: FieldKind;
  /** Of a list's items or a map's values. */
  readonly itemKind: FieldKind | null;
  /** What values are accepted, for people: "integer, 0 to 65535". */
  readonly allowed: string;
  readonly default: unknown;
  /** `ILUVATAR__HTTP__PORT` */
  readonly environment: string;
  readonly description: string;
  /** A running worker takes it on from a reload. */
  readonly live: boolean;
}

export const ENVIRONMENT_PREFIX = 'ILUVATAR__';

let fields: readonly ConfigField[] | null = null;

/** In the order of the schema. */
export function configFields(): readonly ConfigField[] {
  fields ??= collect(workerJsonSchema(), []);
  return fields;
}

/** `['keepAlive', 'ttlMs']` → `ILUVATAR__KEEP_ALIVE__TTL_MS` */
export function environmentName(path: readonly string[]): string {
  const parts = path.map((part) => part.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase());
  return ENVIRONMENT_PREFIX + parts.join('__');
}

function collect(schema: JsonSchema, path: readonly string[]): ConfigField[] {
  if (schema.properties !== undefined) {
    return Object.entries(schema.properties).flatMap(([key, value]) => collect(value, [...path, key]));
  }
  const kind = kindOf(schema);
  const item = itemSchema(schema);
  return [
    {
      key: path.join('.'),
      path,
      kind,
      itemKind: item === null ? null : kindOf(item),
      allowed: allowedText(schema),
      default: schema.default,
      environment: environmentName(path),
      description: schema.description ?? '',
      live: isLive(path.join('.')),
    },
  ];
}

function itemSchema(schema: JsonSchema): JsonSchema | null {
  if (schema.items !== undefined) return schema.items;
  return typeof schema.additionalProperties === 'object' ? schema.additionalProperties : null;
}

function kindOf(schema: JsonSchema): FieldKind {
  if (schema.enum !== undefined) return 'enum';
  if (schema.anyOf !== undefined) return 'any';
  switch (schema.type) {
    case 'string':
    case 'number':
    case 'integer':
    case 'boolean':
      return schema.type;
    case 'array':
      return 'list';
    case 'object':
      return 'map';
    default:
      // A new kind of option must be taught here before it can be given in the environment; failing is better than guessing.
      throw new Error(`the configuration schema uses a type that the loader cannot read: ${JSON.stringify(schema)}`);
  }
}

function allowedText(schema: JsonSchema): string {
  const item = itemSchema(schema);
  switch (kindOf(schema)) {
    case 'enum':
      return `one of ${(schema.enum ?? []).join(', ')}`;
    case 'boolean':
      return 'true or false';
    case 'list':
      return `list; items: ${allowedText(item ?? {})}`;
    case 'map':
      // An item of a list may be an object with fields of its own.
      if (schema.properties !== undefined) return `{${Object.entries(schema.properties).map(memberText).join(', ')}}`;
      return `map of names; values: ${allowedText(item ?? {})}`;
    case 'any':
      return (schema.anyOf ?? []).map((one) => allowedText(one)).join(' or ');
    case 'string':
      return schema.pattern === undefined ? 'text' : `text matching ${schema.pattern}`;
    default:
      return `${schema.type}${rangeText(schema)}`;
  }
}

function memberText([name, schema]: [string, JsonSchema]): string {
  const value = schema.default === undefined ? '' : ` = ${JSON.stringify(schema.default)}`;
  return `${name}: ${allowedText(schema)}${value}`;
}

function rangeText({ minimum, maximum }: JsonSchema): string {
  if (minimum !== undefined && maximum !== undefined) return `, ${minimum} to ${maximum}`;
  if (minimum !== undefined) return `, at least ${minimum}`;
  return maximum === undefined ? '' : `, at most ${maximum}`;
}
