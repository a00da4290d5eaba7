import { readFileSync } from 'node:fs';
import type { Requirements } from '../support/requirement.js';

/** What a machine of the tests needs of the host. */
export const MACHINE: Requirements = {
  root: true,
  command: ['qemu-system-x86_64', 'qemu-img', 'mmdebstrap', 'mke2fs', 'mkswap', 'setpriv'],
  condition: {
    // The addon built here must find its C library there, so the guest is made of the host's own packages.
    holds: process.arch === 'x64' && /^ID="?debian"?$/m.test(readFileSync('/etc/os-release', 'utf8')),
    otherwise: 'needs Debian on x86-64, of whose packages the guest is made',
  },
};
