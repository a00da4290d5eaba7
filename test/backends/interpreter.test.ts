import { chmodSync, realpathSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findNode, findPython } from '../../src/backends/process/interpreter.js';
import { describeWith } from '../support/requirement.js';
import { cleanAfterEach, temporaryFolder, writeTree } from './support/temporary.js';

cleanAfterEach();

const PYTHON = '/usr/bin/python3';

describeWith({ file: PYTHON }, 'finding interpreters', () => {
  it('sees through a version manager’s shim and through links', async () => {
    const shims = writeTree(temporaryFolder(), {
      python3: { text: `#!/bin/sh\nexec ${PYTHON} "$@"\n`, mode: 0o755 },
    });
    const shim = await findPython('', shims);
    expect(shim.interpreter?.executable).toBe(realpathSync(PYTHON));
    expect(shim.notes).toEqual([]);
    const links = temporaryFolder();
    symlinkSync(PYTHON, join(links, 'python3'));
    expect((await findPython('', links)).interpreter?.executable).toBe(realpathSync(PYTHON));
    expect(shim.interpreter?.version).toMatch(/^3\.\d+\.\d+$/);
    expect(shim.interpreter?.paths).toEqual([]);
  });

  it('passes over what does not run, and says which was taken and why', async () => {
    const broken = writeTree(temporaryFolder(), {
      python3: { text: '#!/bin/sh\necho "shim: no version set" >&2\nexit 127\n', mode: 0o755 },
    });
    const found = await findPython('', `${broken}:/usr/bin`);
    expect(found.interpreter?.executable).toBe(realpathSync(PYTHON));
    expect(found.notes.join('\n')).toMatch(/no version set/);
    expect(found.notes.join('\n')).toContain(`${realpathSync(PYTHON)} (${found.interpreter?.version}) is used instead`);
  });

  it('names the folder to bind of one outside the system, and refuses one that only its owner may enter', async () => {
    const prefix = temporaryFolder();
    chmodSync(prefix, 0o755);
    const fake = (where: string): string =>
      `#!/bin/sh\necho '{"executable":"${where}/bin/python3","prefixes":["${where}"],"version":"3.12.1","abi":"cpython-312"}'\n`;
    writeTree(prefix, { 'bin/python3': { text: fake(prefix), mode: 0o755 } });
    const open = await findPython(join(prefix, 'bin/python3'));
    expect(open.interpreter?.paths).toEqual([prefix]);
    if (process.getuid?.() !== 0) return;
    chmodSync(prefix, 0o700);
    const closed = await findPython('', join(prefix, 'bin'));
    expect(closed.interpreter?.executable).toBe(realpathSync(PYTHON));
    expect(closed.notes.join('\n')).toContain('only by its owner');
  });

  it('does not replace a configured one silently, and says what to install when there is none', async () => {
    const found = await findPython('/nowhere/python3');
    expect(found.interpreter).toBe(null);
    expect(found.notes.join('\n')).toMatch(/\/nowhere\/python3.*not usable/);
    expect(found.notes.at(-1)).toMatch(/apt-get install python3/);
  });

  it('finds the Node that runs this', async () => {
    const found = await findNode();
    expect(found.interpreter?.executable).toBe(realpathSync(process.execPath));
    expect(found.interpreter?.abi).toBe(`node-${process.versions.modules}`);
  });
});
