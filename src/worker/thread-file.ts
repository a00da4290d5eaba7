import { fileURLToPath } from 'node:url';

/** What piscina needs to run a module of ours in a thread, from built files and (development, tests) from TypeScript source alike. */
export interface ThreadFile {
  filename: string;
  execArgv: string[];
}

const REGISTER_TYPESCRIPT = new URL('../../scripts/register-typescript.mjs', import.meta.url);

/** `name` is a module beside `importer` (its `import.meta.url`), without extension: `./shard-task`. */
export function threadFile(name: string, importer: string): ThreadFile {
  const typescript = importer.endsWith('.ts');
  return {
    filename: fileURLToPath(new URL(`${name}.${typescript ? 'ts' : 'js'}`, importer)),
    execArgv: typescript ? ['--import', REGISTER_TYPESCRIPT.href] : [],
  };
}
