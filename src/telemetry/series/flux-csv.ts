/**
 * Flux answers with annotated CSV: tables one after the other, each with lines of annotations (`#datatype,…`), a line of column names, and rows; an empty line ends a table. A column without a name is
 * only there for the annotations. Cells are as RFC 4180 has them.
 */
export function fluxRows(csv: string): Record<string, string>[] {
  const rows: Record<string, string>[] = [];
  let header: readonly string[] | null = null;
  for (const cells of records(csv)) {
    if (cells.length === 1 && cells[0] === '') header = null;
    else if (cells[0]?.startsWith('#')) header = null;
    else if (header === null) header = cells;
    else rows.push(Object.fromEntries(header.map((name, i) => [name, cells[i] ?? ''])));
  }
  return rows;
}

function* records(csv: string): Generator<string[]> {
  let cells: string[] = [];
  let cell = '';
  let inQuotes = false;
  for (let at = 0; at < csv.length; at++) {
    const character = csv[at] as string;
    if (inQuotes) {
      if (character !== '"') cell += character;
      else if (csv[at + 1] === '"') cell += csv[at++];
      else inQuotes = false;
    } else if (character === '"') {
      inQuotes = true;
    } else if (character === ',') {
      cells.push(cell);
      cell = '';
    } else if (character === '\n') {
      yield [...cells, cell.replace(/\r$/, '')];
      cells = [];
      cell = '';
    } else {
      cell += character;
    }
  }
  if (cell !== '' || cells.length > 0) yield [...cells, cell];
}
