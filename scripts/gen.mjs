import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, tool } from './run.mjs';
import { setupOrExit } from './setup.mjs';

/** Writes every generated file anew: each `scripts/gen-*.ts` knows its own. */
await setupOrExit({ only: 'modules' });
for (const file of readdirSync(join(root, 'scripts')).filter((name) => /^gen-.*\.ts$/.test(name))) {
  const { code } = await run(tool('tsx'), [join('scripts', file)], { show: true });
  if (code !== 0) process.exit(code);
}
