import type { SandboxSupport } from '../../native.js';
import { type Finding, finding } from './finding.js';
import { loadAddon } from './host.js';

/** What of the kernel's isolation this process may use; each is tried for real by the addon. */

const GROUP = 'sandbox';

interface Protection {
  readonly key: keyof SandboxSupport;
  readonly name: string;
  readonly gives: string;
  readonly advice: string;
}

const NAMESPACES =
  'run the worker as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces)';

const PROTECTIONS: readonly Protection[] = [
  { key: 'userNamespaces', name: 'user namespaces', gives: 'sandboxes without root', advice: NAMESPACES },
  {
    key: 'mountNamespaces',
    name: 'mount namespaces',
    gives: 'a private read-only view of the system',
    advice: NAMESPACES,
  },
  {
    key: 'pidNamespaces',
    name: 'pid namespaces',
    gives: 'containers see only their own processes',
    advice: NAMESPACES,
  },
  { key: 'networkNamespaces', name: 'network namespaces', gives: 'containers without network', advice: NAMESPACES },
  { key: 'seccomp', name: 'seccomp', gives: 'a filter of system calls', advice: 'a kernel with CONFIG_SECCOMP_FILTER' },
  {
    key: 'newMountApi',
    name: 'new mount calls',
    gives: 'recursive read-only views in one call',
    advice: 'Linux 5.12 or later',
  },
  {
    key: 'cloneIntoCgroup',
    name: 'clone into cgroup',
    gives: 'containers born in their cgroup (v2)',
    advice: 'cgroup v2 and Linux 5.7 or later; otherwise processes are moved',
  },
  { key: 'pidfd', name: 'pidfd', gives: 'waiting for and killing exactly one process', advice: 'Linux 5.3 or later' },
];

export function sandboxFindings(): Finding[] {
  const support = probe();
  if (typeof support === 'string') {
    return [
      finding(GROUP, 'sandbox', 'isolation of containers', {
        state: 'warn',
        found: `could not be tried: ${support}`,
        advice: 'npm run build:native',
      }),
    ];
  }
  return PROTECTIONS.map(({ key, name, gives, advice }) => {
    const works = support[key];
    // As root they are a convenience only: the worker does without.
    const needless = key === 'userNamespaces' && process.getuid?.() === 0;
    return finding(GROUP, name, gives, {
      state: works ? 'ok' : 'warn',
      found: works ? 'works' : needless ? 'not allowed (not needed by root)' : 'not allowed here',
      advice: works || needless ? '' : advice,
    });
  });
}

function probe(): SandboxSupport | string {
  const addon = loadAddon();
  if (addon === null) return 'the native addon is missing';
  // An addon built from older sources may lack the call.
  if (typeof addon.system?.sandboxSupport !== 'function') return 'the native addon was built without it';
  try {
    return addon.system.sandboxSupport();
  } catch (error) {
    return (error as Error).message;
  }
}
