import type { LoadFunction } from '../../load/target.js';

/** What is registered, as far as its source goes. */
interface Packable {
  readonly definition: Pick<LoadFunction['definition'], 'source'>;
  readonly archive: Uint8Array | null;
}

/** Functions with their sources as archives, for targets on other machines; each once, whatever the number of functions that are made of it. */
export async function packedSources<Fn extends Packable>(functions: readonly Fn[]): Promise<Fn[]> {
  const { packSource } = await import('../archive.js');
  const archives = new Map<string, Uint8Array>();
  const all: Fn[] = [];
  for (const fn of functions) {
    const { source, ...definition } = fn.definition;
    if (source == null) {
      all.push(fn);
      continue;
    }
    const archive = archives.get(source) ?? (await packSource(source, false, () => {}));
    archives.set(source, archive);
    all.push({ ...fn, definition, archive });
  }
  return all;
}
