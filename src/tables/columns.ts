/** A table: named columns of one kind each, the same in every format. Whoever adds a column adds it at the end: readers may know one by its place. */
export interface Table<Row> {
  /** What one row is; with the version in the file where the format has a place for it. */
  readonly name: string;
  /** One more when a column has changed its meaning or gone; a new one at the end changes nothing. */
  readonly version: number;
  readonly columns: readonly Column<Row>[];
}

interface ColumnHead {
  readonly name: string;
  readonly unit: string;
  readonly meaning: string;
}

/** A whole number. `none` is the value that says there is none, and is written as nothing (CSV: empty, else null). */
export interface IntegerColumn<Row> extends ColumnHead {
  readonly kind: 'integer';
  readonly none: number | null;
  readonly get: (row: Readonly<Row>) => number;
}

/** A number that may have a fraction. */
export interface DecimalColumn<Row> extends ColumnHead {
  readonly kind: 'decimal';
  readonly get: (row: Readonly<Row>) => number;
}

/** Text; the empty one is written as nothing if the column is `nullable`. */
export interface TextColumn<Row> extends ColumnHead {
  readonly kind: 'text';
  readonly nullable: boolean;
  readonly get: (row: Readonly<Row>) => string;
}

export type Column<Row> = IntegerColumn<Row> | DecimalColumn<Row> | TextColumn<Row>;

export function integer<Row>(
  name: string,
  unit: string,
  meaning: string,
  get: (row: Readonly<Row>) => number,
  none: number | null = null,
): IntegerColumn<Row> {
  return { kind: 'integer', name, unit, meaning, get, none };
}

export function text<Row>(
  name: string,
  meaning: string,
  get: (row: Readonly<Row>) => string,
  nullable = false,
): TextColumn<Row> {
  return { kind: 'text', name, unit: 'name', meaning, get, nullable };
}
