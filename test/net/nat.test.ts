import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { describeWith } from '../support/requirement.js';

const RIG = fileURLToPath(new URL('./support/nat-rig.ts', import.meta.url));

describeWith({ root: true, command: ['nft', 'ip', 'unshare', 'nsenter', 'python3'] }, 'NAT', () => {
  it('takes containers out under the host’s address, nobody in, and leaves nothing', async () => {
    const args = ['--net', process.execPath, '--import', 'tsx', RIG];
    const { stdout } = await promisify(execFile)('unshare', args, { timeout: 90_000 });
    expect(JSON.parse(stdout)).toEqual({
      notes: [expect.stringContaining('net.ipv4.ip_forward is 0')],
      'left alone': '0',
      'tables between': 'table ip theirs',
      forwarding: ['1', []],
      bridges: 2,
      'outside sees': '192.0.2.1',
      'host calls in': ['ConnectionRefusedError'],
      'outside calls in': 'TimeoutError',
      'the other bridge calls': 'TimeoutError',
      'tables while it runs': 2,
      'sources of the next life': [true, false],
      'outside sees of the kept one': '192.0.2.1',
      'outside calls the kept one': 'TimeoutError',
      'sources with a new bridge': [true, true],
      'tables afterwards': 'table ip theirs',
      'links left': [],
    });
  }, 100_000);
});
