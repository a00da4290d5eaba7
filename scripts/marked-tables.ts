/** `page` with a table between the markers `<!-- begin NAME -->` and `<!-- end NAME -->`. `file`: what it is called, for whoever took them away. */
export function replaced(page: string, file: string, name: string, table: string): string {
  const [begin, end] = [`<!-- begin ${name} -->\n`, `<!-- end ${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} has no markers for "${name}"`);
  return `${page.slice(0, from + begin.length)}\n${table}\n${page.slice(to)}`;
}
