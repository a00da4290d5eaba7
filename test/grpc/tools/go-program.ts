import { join } from 'node:path';
import { cachedBuild } from '../../support/build-cache.js';
import { command } from '../../support/command.js';
import { goToolchain } from '../../support/toolchain.js';

/** Programs that are published as modules of Go. */
const MODULES = {
  grpcurl: 'github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3',
  ghz: 'github.com/bojand/ghz/cmd/ghz@v0.121.0',
  h2spec: 'github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible',
} as const;
export const GO_PROGRAMS = Object.keys(MODULES) as (keyof typeof MODULES)[];

/** Path of the program: out of the cache (`ILUVATAR_CLIENTS_CACHE`), or built now, in a minute. Throws when there is no Go. */
export async function goProgram(name: keyof typeof MODULES): Promise<string> {
  const go = goToolchain();
  if (go === null) throw new Error(`${name} is built with Go 1.23 or later: install it from go.dev`);
  const folder = await cachedBuild({
    kind: 'clients',
    files: [],
    facts: [MODULES[name], go.version],
    // A small program links faster: nobody looks into it with a debugger.
    build: async (into) => {
      await command(go.program, ['install', '-ldflags=-s -w', MODULES[name]], { GOBIN: into });
    },
  });
  return join(folder, name);
}
