import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { GOLDEN_SETS, goldenOf } from './golden.js';

/** `tsx test/telemetry/jetson/write-goldens.ts && npx biome format --write test/telemetry/jetson/golden`, and then read what has changed in them beside the lines: nobody else will. */
for (const { lines, file } of GOLDEN_SETS) {
  for (const [index, line] of lines.entries()) {
    mkdirSync(dirname(file(index)), { recursive: true });
    // On one line: the formatter then gives each object that fits one of its own.
    writeFileSync(file(index), `${JSON.stringify(goldenOf(line))}\n`);
  }
}
