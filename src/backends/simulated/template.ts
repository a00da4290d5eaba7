/**
 * Results that depend on the arguments: JSON in which the text `"$name"` or `"$name.field.field"` stands for a value, `{"$repeat": text, "times": n}` for a long
 * text, and `"$$…"` for a text that begins with a dollar.
 */

export type TemplateValues = Readonly<Record<string, unknown>>;

/** Null: its repeated texts would have more than `mostCharacters` together. They are not made then: a shard must not be held up by what nobody will get. */
export function fillTemplate(
  template: unknown,
  values: TemplateValues,
  mostCharacters: number,
): { value: unknown } | null {
  const filling = new Filling(values, mostCharacters);
  const value = filling.fill(template);
  return filling.left < 0 ? null : { value };
}

class Filling {
  readonly #values: TemplateValues;
  left: number;

  constructor(values: TemplateValues, left: number) {
    this.#values = values;
    this.left = left;
  }

  fill(template: unknown): unknown {
    if (typeof template === 'string') return this.#text(template);
    if (Array.isArray(template)) return template.map((item) => this.fill(item));
    if (typeof template !== 'object' || template === null) return template;
    const given = template as Record<string, unknown>;
    if ('$repeat' in given)
      return this.#repeated(String(this.fill(given['$repeat'])), Number(this.fill(given['times'])));
    return Object.fromEntries(Object.entries(given).map(([key, value]) => [key, this.fill(value)]));
  }

  #repeated(text: string, wanted: number): string {
    const times = wanted > 0 ? Math.floor(wanted) : 0;
    this.left -= text.length * times;
    return this.left < 0 ? '' : text.repeat(times);
  }

  #text(text: string): unknown {
    if (!text.startsWith('$')) return text;
    if (text.startsWith('$$')) return text.slice(1);
    let value: unknown = this.#values;
    for (const field of text.slice(1).split('.')) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, field)) return null;
      value = (value as Record<string, unknown>)[field];
    }
    return value;
  }
}
