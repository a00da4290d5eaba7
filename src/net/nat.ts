import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { formatRange, type Range } from './range.js';

/**
 * Containers' way out: a table of nftables of the worker's own, in which what comes from a bridge and leaves by another link gets the host's address. Nobody
 * outside begins a connection to a container, and no bridge reaches another. Other tables, and iptables, are neither read nor changed: what they drop stays dropped.
 */
export class NatTable {
  readonly #name: string;
  readonly #bridges: string;

  /** `prefix` of the worker's links. */
  constructor(prefix: string) {
    this.#name = prefix;
    this.#bridges = `"${prefix}b*"`;
  }

  /** The whole at once, in place of what was there. Rejects with a sentence. */
  set(subnets: readonly Range[]): Promise<void> {
    const table = `inet ${this.#name}`;
    const own = this.#bridges;
    const elements = subnets.map(formatRange).join(', ');
    const sources = elements === '' ? '' : `ip saddr { ${elements} } oifname != ${own} masquerade`;
    return nft(`
      table ${table}
      delete table ${table}
      table ${table} {
        chain outward {
          type nat hook postrouting priority srcnat; policy accept;
          ${sources}
        }
        chain between {
          type filter hook forward priority filter; policy accept;
          iifname ${own} oifname ${own} drop
          oifname ${own} ct state established,related accept
          oifname ${own} drop
        }
      }`);
  }

  /** One that is not there is fine, and so is a machine without nft: it has none. */
  async remove(): Promise<void> {
    try {
      await nft(`table inet ${this.#name}\ndelete table inet ${this.#name}\n`);
    } catch (error) {
      if (!(error instanceof NoNft)) throw error;
    }
  }
}

class NoNft extends Error {}

/** A transaction: all of it or nothing. */
function nft(script: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile('nft', ['-f', '-'], { timeout: 10_000 }, (error, _stdout, stderr) => {
      if (error === null) resolve();
      else if (error.code === 'ENOENT') reject(new NoNft('NAT needs the program nft (package nftables)'));
      else reject(new Error(`nft: ${stderr.trim().split('\n')[0] || error.message}`));
    });
    // A program that could not be started has no input; why is told above.
    child.stdin?.on('error', () => {});
    child.stdin?.end(script);
  });
}

export function hasNft(): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'nft')));
}

const FORWARDING = '/proc/sys/net/ipv4/ip_forward';

/** Whether this network namespace passes on packets that are for others. */
export function forwards(): boolean {
  return readFileSync(FORWARDING, 'utf8').trim() === '1';
}

export function enableForwarding(): void {
  writeFileSync(FORWARDING, '1');
}
