/**
 * Results that depend on the arguments: JSON in which the text `"$name"` or `"$name.field.field"` stands for a value, `{"$repeat": text, "times": n}` for a long
 * text, and `"$$…"` for a text that begins with a dollar.
 */

export type TemplateValues = Readonly<Record<string, unknown>>;

export function fillTemplate(template: unknown, values: TemplateValues): unknown {
  if (typeof template === 'string') return fillText(template, values);
  if (Array.isArray(template)) return template.map((item) => fillTemplate(item, values));
  if (typeof template !== 'object' || template === null) return template;
  const given = template as Record<string, unknown>;
  if ('$repeat' in given) {
    const times = Number(fillTemplate(given['times'], values));
    const text = String(fillTemplate(given['$repeat'], values));
    return text.repeat(
      Number.isFinite(times) ? Math.min(MOST_REPEATED / Math.max(1, text.length), Math.max(0, times)) : 0,
    );
  }
  return Object.fromEntries(Object.entries(given).map(([key, value]) => [key, fillTemplate(value, values)]));
}

/** Characters: above what any transport carries, and below what a text may be long. */
const MOST_REPEATED = 2 ** 27;

function fillText(text: string, values: TemplateValues): unknown {
  if (!text.startsWith('$')) return text;
  if (text.startsWith('$$')) return text.slice(1);
  let value: unknown = values;
  for (const field of text.slice(1).split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, field)) return null;
    value = (value as Record<string, unknown>)[field];
  }
  return value;
}
