import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cachedBuild } from '../../support/build-cache.js';
import { command } from '../../support/command.js';
import { cargoToolchain } from '../../support/toolchain.js';
import { ClientProcess } from './client-process.js';

const HERE = dirname(fileURLToPath(import.meta.url));
const PROTO = join(HERE, '../../../src/rpc/iluvatar/iluvatar_rpc.proto');
const TONIC = join(HERE, '../tonic');
const PYTHON_CLIENT = join(HERE, '../python/client.py');

/** Debian's before a version manager's: the one that the worker's tests use. */
const PYTHON = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
const GRPCIO = ['grpcio==1.76.0', 'grpcio-tools==1.76.0', 'protobuf==6.33.0'];

/** A program that makes clients, each of one server. */
export type ClientMaker = (address: string) => ClientProcess;

/** grpcio, and the code that its tools make of our .proto: out of the cache (`ILUVATAR_CLIENTS_CACHE`), or installed now. */
export async function pythonClient(): Promise<ClientMaker> {
  const folder = await cachedBuild({
    kind: 'clients',
    files: [PROTO],
    facts: [...GRPCIO, await command(PYTHON, ['--version'])],
    build: async (into) => {
      await command(PYTHON, ['-m', 'pip', 'install', '-q', '--no-compile', '--target', into, ...GRPCIO]);
      const out = [`--python_out=${into}`, `--grpc_python_out=${into}`];
      const args = ['-m', 'grpc_tools.protoc', `-I${dirname(PROTO)}`, ...out, PROTO];
      await command(PYTHON, args, { PYTHONPATH: into });
    },
  });
  return (address) => new ClientProcess(PYTHON, [PYTHON_CLIENT, address], { PYTHONPATH: folder });
}

/** tonic's: out of the cache, or built now, in a minute or two. Throws when there is no cargo. */
export async function tonicClient(): Promise<ClientMaker> {
  const cargo = cargoToolchain();
  if (cargo === null) throw new Error('the client by tonic is built with Rust');
  const name = 'iluvatar-tonic-client';
  const folder = await cachedBuild({
    kind: 'clients',
    files: ['Cargo.toml', 'Cargo.lock', 'build.rs', 'src/main.rs'].map((file) => join(TONIC, file)).concat(PROTO),
    facts: [cargo.version],
    build: async (into) => {
      const target = join(into, 'target');
      const manifest = join(TONIC, 'Cargo.toml');
      await command(cargo.program, ['build', '--locked', '--quiet', '--manifest-path', manifest], {
        CARGO_TARGET_DIR: target,
        ILUVATAR_PROTO_DIR: dirname(PROTO),
        PATH: `${dirname(cargo.program)}:${process.env['PATH'] ?? ''}`,
      });
      copyFileSync(join(target, 'debug', name), join(into, name));
      rmSync(target, { recursive: true });
    },
  });
  return (address) => new ClientProcess(join(folder, name), [address]);
}
