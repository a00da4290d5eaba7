/** What tests and benches need of `bundle.mjs`. */
export function buildProgram(folder: string, name: string): Promise<string>;
