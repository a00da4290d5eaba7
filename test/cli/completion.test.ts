import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { iluvatar as cli } from './run.js';

describe('completion', () => {
  it('completes commands, nested commands and options in bash', async () => {
    const { stdout: script } = await cli(['completion', 'bash']);
    const complete = async (...words: string[]): Promise<string[]> => {
      const line = `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _iluvatar; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout } = await promisify(execFile)('bash', ['--norc', '-c', line, 'bash', 'iluvatar', ...words]);
      return stdout.split('\n').filter((word) => word !== '');
    };
    expect(await complete('pre')).toEqual(['prewarm']);
    expect(await complete('config', 's')).toEqual(['show', 'schema']);
    expect(await complete('config', 'show', '--js')).toEqual(['--json']);
    expect(await complete('--socket', '/x', 'invoke', 'f', '--as')).toEqual(['--async']);
  });

  it('prints a script for zsh and refuses other shells', async () => {
    const [zsh, fish] = await Promise.all([cli(['completion', 'zsh']), cli(['completion', 'fish'])]);
    expect(zsh.stdout).toMatch(/^#compdef iluvatar\n/);
    expect(zsh.stdout).toContain("'list:list the registered functions'");
    expect(fish.code).toBe(2);
  });
});
