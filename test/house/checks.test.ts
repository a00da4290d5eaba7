import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { execute, root } from './process.js';

/** The static checks catch what they are for: a rule that matches nothing would pass for ever. */
describe('static checks', () => {
  let folder = '';

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'house-checks-'));
    for (const file of ['.dependency-cruiser.cjs', 'biome.json', 'tsconfig.json', 'package.json']) {
      cpSync(join(root, file), join(folder, file));
    }
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function write(files: Record<string, string>): void {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
  }

  /** `rule: file` of every violation of the layers in the folder. */
  async function violations(files: Record<string, string>): Promise<string[]> {
    write(files);
    const cruiser = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
    const options = ['--config', '.dependency-cruiser.cjs', '--output-type', 'json', 'src'];
    const { output } = await execute(process.execPath, [cruiser, ...options], { cwd: folder });
    const report = JSON.parse(output.slice(output.indexOf('{'))) as {
      summary: { violations: { from: string; rule: { name: string } }[] };
    };
    return report.summary.violations.map(({ from, rule }) => `${rule.name}: ${from}`);
  }

  const value = 'export const value = 1;\n';
  const importing = (path: string): string => `import { value } from '${path}';\nexport const other = value;\n`;

  it('every rule of the layers is enforced', async () => {
    const wrong: [rule: string, from: string, to: string][] = [
      ['core-is-pure', 'src/core/a1.ts', '../transport/b.js'],
      ['config-is-a-leaf', 'src/config/a2.ts', '../telemetry/b.js'],
      ['native-is-a-leaf', 'src/native.ts', './core/b.js'],
      ['failpoints-are-a-leaf', 'src/failpoints.ts', './core/b.js'],
      ['transport-above-core-only', 'src/transport/a3.ts', '../server/b.js'],
      ['keeper-above-the-addon-only', 'src/keeper/a10.ts', '../telemetry/b.js'],
      ['tables-above-core-only', 'src/results/a11.ts', '../worker/b.js'],
      ['parts-do-not-look-up', 'src/server/a4.ts', '../worker/b.js'],
      ['parts-keep-apart', 'src/server/a5.ts', '../backends/b.js'],
      ['nodes-do-not-look-up', 'src/worker/a6.ts', '../cli/b.js'],
      ['nobody-imports-the-cli', 'src/index.ts', './cli/b.js'],
      ['agents-stand-alone', 'src/agents/a7.ts', '../core/b.js'],
      ['no-test-code-in-the-product', 'src/worker/a8.ts', '../../test/b.js'],
      ['no-unresolvable', 'src/worker/a9.ts', './not-there.js'],
    ];
    const files: Record<string, string> = {
      'src/core/reading.ts': "import { readFileSync } from 'node:fs';\nexport const read = readFileSync;\n",
      'src/core/round.ts': "import { trip } from './trip.js';\nexport const round = (): unknown => trip;\n",
      'src/core/trip.ts': "import { round } from './round.js';\nexport const trip = (): unknown => round;\n",
    };
    for (const name of ['core', 'transport', 'telemetry', 'server', 'backends', 'worker', 'cli']) {
      files[`src/${name}/b.ts`] = value;
    }
    files['test/b.ts'] = value;
    for (const [, from, to] of wrong) files[from] = importing(to);
    const found = await violations(files);
    expect(found).toEqual(expect.arrayContaining(wrong.map(([rule, from]) => `${rule}: ${from}`)));
    expect(found).toContain('core-is-pure: src/core/reading.ts');
    expect(found).toContain('no-cycles: src/core/round.ts');
  });

  it('what points down is fine', async () => {
    const files = {
      'src/cli/a.ts': importing('../worker/b.js'),
      'src/worker/b.ts': "export { other as value } from '../server/c.js';\n",
      'src/server/c.ts': importing('../core/d.js'),
      'src/core/d.ts': value,
    };
    expect(await violations(files)).toEqual([]);
  });

  it.each(['Date.now()', 'performance.now()', 'process.pid', 'setTimeout(() => {}, 1)'])(
    'core may not use %s',
    async (expression) => {
      write({ 'src/core/a.ts': `export const a = (): unknown => ${expression};\n` });
      const { code, output } = await execute(join(root, 'node_modules/.bin/biome'), ['lint', 'src'], { cwd: folder });
      expect(output).toContain('noRestrictedGlobals');
      expect(code).not.toBe(0);
    },
  );
});
