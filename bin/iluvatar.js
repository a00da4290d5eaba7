#!/usr/bin/env node
// Runs the built command line, or, in a checkout that was not built, the sources through tsx.
import { existsSync } from 'node:fs';

const built = new URL('../dist/cli/main.js', import.meta.url);
const source = new URL('../src/cli/main.ts', import.meta.url);

if (existsSync(built)) {
  await import(built.href);
} else if (existsSync(source)) {
  const { register } = await import('tsx/esm/api').catch(() => {
    process.stderr.write('iluvatar is not built here: run "npm install" and "npm run build"\n');
    process.exit(10);
  });
  register();
  await import(source.href);
} else {
  process.stderr.write('this installation of iluvatar is incomplete: neither dist/ nor src/ is there\n');
  process.exit(10);
}
