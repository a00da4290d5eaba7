import type { Gateway } from '../../gateway.js';
import { GrpcCode, GrpcFailure } from '../status.js';

/**
 * The original names a function version by `name-version`, which (`a-b`, `c`) and (`a`, `b-c`) share. Here both may be registered; where that name means two, `name/version` means one: a slash is in
 * neither part.
 */

export interface FunctionName {
  readonly name: string;
  readonly version: string;
}

/** What to call it: `name-version`, or `name/version` where that is another function's, too. */
export function fqdnOf(name: string, version: string, gateway: Pick<Gateway, 'resolve'>): string {
  const fqdn = `${name}-${version}`;
  return registered(fqdn, gateway).length > 1 ? `${name}/${version}` : fqdn;
}

/** Null = nothing of that name is registered. Throws INVALID_ARGUMENT for a name of several. */
export function functionOf(fqdn: string, gateway: Pick<Gateway, 'resolve'>): FunctionName | null {
  const slash = fqdn.indexOf('/');
  if (slash >= 0) return { name: fqdn.slice(0, slash), version: fqdn.slice(slash + 1) };
  const found = registered(fqdn, gateway);
  if (found.length > 1) {
    const names = found.map(({ name, version }) => `${name}/${version}`).join(', ');
    throw new GrpcFailure(GrpcCode.invalidArgument, `"${fqdn}" is the name of several functions: say one of ${names}`);
  }
  return found[0] ?? null;
}

function registered(fqdn: string, gateway: Pick<Gateway, 'resolve'>): FunctionName[] {
  const found: FunctionName[] = [];
  for (let at = fqdn.indexOf('-'); at >= 0; at = fqdn.indexOf('-', at + 1)) {
    const name = fqdn.slice(0, at);
    const version = fqdn.slice(at + 1);
    if (gateway.resolve(name, version) !== 0) found.push({ name, version });
  }
  return found;
}
