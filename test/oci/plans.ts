import type { ContainerPlan } from '../../src/backends/oci/engine.js';
import type { OciFunction } from '../../src/backends/oci/function.js';
import type { FunctionDefinitionInput } from '../../src/config/api.js';
import { definition } from './support.js';

/** A prepared function and a plan of a container, as they would be; nothing of them exists. */
export function functionOf(input: Partial<FunctionDefinitionInput> = {}, more: Partial<OciFunction> = {}): OciFunction {
  return {
    key: 'hello@1',
    digest: 'digest',
    definition: definition({ source: '/source', ...input }),
    runtime: 'python3',
    image: null,
    process: { argv: ['/init', 'program'], env: { FROM_IMAGE: 'yes', SHARED: 'image' }, cwd: '/work', user: USER },
    binds: [{ source: '/usr', target: '/usr' }],
    readOnlyRoot: true,
    tmpMb: 8,
    assign: { maxBody: 1024 },
    ...more,
  };
}

const USER = { uid: 1000, gid: 1001, groups: [1002] };

export function planOf(fn: OciFunction, more: Partial<ContainerPlan> = {}): ContainerPlan {
  return {
    name: 'worker.containerd-c7',
    fn,
    env: { A: '1', B: 'x=y' },
    cgroupPath: '/iluvatar/worker.containerd/c7',
    cgroupDirs: ['/sys/fs/cgroup/memory/iluvatar/worker.containerd/c7'],
    sockets: '/data/run/c7',
    network: null,
    port: 8080,
    ...more,
  };
}
