/** What tests and benches need of `bundle.mjs`. */
export const BUNDLED: readonly string[];
export function buildProgram(folder: string, name: string): Promise<string>;
