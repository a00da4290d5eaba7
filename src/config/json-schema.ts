import * as z from 'zod';
import { workerConfigSchema } from './schema.js';

/** The part of JSON Schema that our own schemas come out as. */
export interface JsonSchema {
  $schema?: string;
  title?: string;
  type?: string;
  description?: string;
  default?: unknown;
  enum?: readonly string[];
  anyOf?: readonly JsonSchema[];
  minimum?: number;
  maximum?: number;
  pattern?: string;
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  additionalProperties?: boolean | JsonSchema;
}

/** JSON Schema of a worker's configuration file (draft 2020-12): nothing is required, unknown keys are refused. */
export function workerJsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(workerConfigSchema, { io: 'input' }) as JsonSchema;
  return { title: 'Ilúvatar worker', ...withoutSafeBounds(schema) };
}

/** zod states "integer" as ±(2^53 − 1) bounds, which say nothing to a reader. */
function withoutSafeBounds(schema: JsonSchema): JsonSchema {
  const copy = { ...schema };
  if (copy.maximum === Number.MAX_SAFE_INTEGER) delete copy.maximum;
  if (copy.minimum === Number.MIN_SAFE_INTEGER) delete copy.minimum;
  if (copy.items !== undefined) copy.items = withoutSafeBounds(copy.items);
  if (copy.properties !== undefined) {
    copy.properties = Object.fromEntries(
      Object.entries(copy.properties).map(([key, value]) => [key, withoutSafeBounds(value)]),
    );
  }
  return copy;
}
