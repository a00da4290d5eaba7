import type { WorkerConfig } from '../../config/schema.js';
import { hostRanges } from '../../net/host-ranges.js';
import { forwards, hasNft } from '../../net/nat.js';
import { overlap, parseRange } from '../../net/range.js';
import { type Finding, finding, type Verdict } from './finding.js';

/** Whether functions may have addresses of their own here (network "bridge"). */

const GROUP = 'network';

export function networkFindings(config: WorkerConfig['network']): Finding[] {
  return [
    finding(GROUP, 'bridges', 'functions with addresses of their own (network "bridge")', bridges()),
    finding(GROUP, 'addresses', 'addresses for them', addresses(config)),
    ...(config.nat ? [finding(GROUP, 'nat', 'their way out (network.nat)', nat(config))] : []),
  ];
}

function bridges(): Verdict {
  if (process.getuid?.() === 0) return { state: 'ok', found: 'root may make them' };
  return { state: 'warn', found: 'only root may make them', advice: 'run the worker as root' };
}

function nat({ forwarding }: WorkerConfig['network']): Verdict {
  if (!hasNft()) return { state: 'warn', found: 'no nft', advice: 'install the package nftables' };
  if (forwards()) return { state: 'ok', found: 'nft, and the host forwards' };
  if (forwarding === 'enable') return { state: 'ok', found: 'nft; the worker will set net.ipv4.ip_forward' };
  return {
    state: 'warn',
    found: 'the host forwards nothing (net.ipv4.ip_forward is 0)',
    advice: 'set it, or network.forwarding to "enable"',
  };
}

function addresses({ range, bridges, portsPerBridge }: WorkerConfig['network']): Verdict {
  const parsed = parseRange(range);
  if (parsed === null) {
    return { state: 'warn', found: `"${range}" is no range`, advice: 'set network.range, such as 10.187.0.0/16' };
  }
  const used = hostRanges().filter((other) => overlap(other, parsed)).length;
  const found = `${range}, ${bridges} bridges of ${portsPerBridge}`;
  if (used === 0) return { state: 'ok', found };
  // Running workers' own bridges are among them, so that it may well be fine.
  return { state: 'ok', found: `${found}; of it the machine uses ${used} parts already, which are left out` };
}
