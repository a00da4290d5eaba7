import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeWith } from '../support/requirement.js';
import { execute, root } from './process.js';

/** The npm package is sound and complete: installed without any script, it must find everything beside it. */
describeWith({ file: [join(root, 'dist/index.js'), join(root, 'build/Release/iluvatar.node')] }, 'the package', () => {
  it('holds what a worker needs at run time, and nothing of the workshop', async () => {
    const { code, output } = await execute('npm', [
      'pack',
      '--dry-run',
      '--json',
      '--ignore-scripts',
      '--loglevel=error',
    ]);
    expect(code).toBe(0);
    const report = JSON.parse(output.slice(output.indexOf('['))) as { files: { path: string }[] }[];
    const files = (report[0]?.files ?? []).map((file) => file.path);
    for (const needed of [
      'bin/iluvatar.js',
      'dist/index.js',
      'dist/index.d.ts',
      'dist/licenses.txt',
      'dist/worker/shard-task.js',
      'dist/agents/python/zygote.py',
      'dist/agents/node/agent.mjs',
      'build/Release/iluvatar.node',
      'build/Release/iluvatar-keeper',
      'build/Release/iluvatar-launcher',
      'build/Release/iluvatar-lookbusy',
      'build/Release/iluvatar-supervisor',
      'build/Release/containerd-shim-iluvatar-v1',
      'build/Release/libiluvatar_cell.so',
      'functions/hello/main.py',
      'etc/prometheus/rules.yml',
      'etc/prometheus/alerts.yml',
      'LICENSE',
      'NOTICE',
      'README.md',
    ]) {
      expect(files).toContain(needed);
    }
    expect(
      files.filter((file) => /^(test|bench|scripts|node_modules|\.iluvatar)\/|__pycache__|_test\.cc$/.test(file)),
    ).toEqual([]);
  });

  it('has an exports map that every way of importing understands', async () => {
    const { code, output } = await execute(process.execPath, ['node_modules/publint/src/cli.js', '--strict']);
    expect(output).toContain('All good');
    expect(code).toBe(0);
  });
});
