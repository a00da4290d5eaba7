/**
 * Where the rows of a table go. One row object is filled again and again: a sink copies what it needs before it returns, and no row costs an object.
 */

export interface RowSink<Row> {
  row(row: Readonly<Row>): void;
  /** Null = go on. Otherwise whoever writes waits for it before the next batch, so that what is not written yet stays bounded. */
  backlog(): Promise<void> | null;
  /** Nothing more comes: resolves when all is written. Called once, also after a failure. */
  end(): Promise<void>;
}
