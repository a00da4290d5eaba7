import { html } from 'hono/html';

/** Text with markup; everything put into it is escaped. */
export type Html = ReturnType<typeof html>;

export interface HtmlColumn<Row> {
  readonly title: string;
  /** Words, and not numbers. */
  readonly words?: boolean;
  readonly cell: (row: Row) => string | Html;
}

/** A table that can be read without being seen: a caption, and heads of rows (the first column) and of columns that say what they are of. */
export function htmlTable<Row>(caption: string, rows: readonly Row[], columns: readonly HtmlColumn<Row>[]): Html {
  const className = (words: boolean | undefined): string => (words === true ? 'text' : '');
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table>
<caption>${caption}</caption>
<thead><tr>${columns.map(({ title, words }, i) => html`<th scope="col" class="${className(words || i === 0)}">${title}</th>`)}</tr></thead>
<tbody>${rows.map(
    (row) =>
      html`<tr>${columns.map(({ words, cell }, i) =>
        i === 0 ? html`<th scope="row">${cell(row)}</th>` : html`<td class="${className(words)}">${cell(row)}</td>`,
      )}</tr>
`,
  )}</tbody>
</table></div>
`;
}

export function factsTable(caption: string, facts: readonly (readonly [name: string, value: string])[]): Html {
  return htmlTable(caption, facts, [
    { title: 'of', cell: ([name]) => name },
    { title: 'value', words: true, cell: ([, value]) => value },
  ]);
}
