import type { ConfigField, FieldKind } from './fields.js';

/** Text from the environment or a flag, read by the type of its option; and the words for what was wrong with it. */

export type ParsedValue = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly why: string };

const TRUE = new Set(['true', '1', 'yes', 'on']);
const FALSE = new Set(['false', '0', 'no', 'off']);

/** Reads `text` for `field`. Lists and maps are JSON. Ranges and patterns are the schema's business, not checked here. */
export function parseText(field: ConfigField, text: string): ParsedValue {
  return parseKind(field.kind, text);
}

/** One entry of a map, as in `ILUVATAR__LOG__MODULES__pool=debug`. */
export function parseMapEntry(field: ConfigField, text: string): ParsedValue {
  return parseKind(field.itemKind ?? 'string', text);
}

function parseKind(kind: FieldKind, text: string): ParsedValue {
  switch (kind) {
    case 'string':
    case 'enum':
      return { ok: true, value: text };
    case 'boolean': {
      const word = text.trim().toLowerCase();
      if (TRUE.has(word)) return { ok: true, value: true };
      if (FALSE.has(word)) return { ok: true, value: false };
      return { ok: false, why: 'is not true or false' };
    }
    case 'number':
    case 'integer': {
      const value = text.trim() === '' ? Number.NaN : Number(text);
      return Number.isFinite(value) ? { ok: true, value } : { ok: false, why: 'is not a number' };
    }
    case 'list':
    case 'map':
      return parseJson(kind, text);
    case 'any':
      return { ok: true, value: jsonOrText(text) };
  }
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function parseJson(kind: 'list' | 'map', text: string): ParsedValue {
  const example = kind === 'list' ? '["a","b"]' : '{"name":"value"}';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, why: `is not JSON such as ${example}` };
  }
  const fits = kind === 'list' ? Array.isArray(value) : isMap(value);
  return fits ? { ok: true, value } : { ok: false, why: `is not a ${kind} such as ${example}` };
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value for an error message: JSON, cut when long. */
export function showValue(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
