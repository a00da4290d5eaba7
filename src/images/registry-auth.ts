import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { IluvatarError } from '../core/errors.js';
import { invalid, reasonOf } from './failure.js';

/** What a registry wants to see before it answers: a token from the service it names, or a password. */

/** `user:password` in base64, as Docker keeps it; null = nobody is logged in. */
export type Credentials = (registry: string) => Promise<string | null>;

interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const TOKEN_LIMIT_MS = 30_000;
const HUB_KEYS = ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io'];

/** From what `docker login` wrote. Helpers, which keep passwords elsewhere, are not asked. */
export async function dockerCredentials(
  registry: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<string | null> {
  const folder = environment['DOCKER_CONFIG'] ?? join(environment['HOME'] ?? homedir(), '.docker');
  const text = await readFile(join(folder, 'config.json'), 'utf8').catch(() => null);
  if (text === null) return null;
  let auths: Record<string, { auth?: string }> = {};
  try {
    auths = (JSON.parse(text) as { auths?: typeof auths }).auths ?? {};
  } catch (error) {
    throw invalid(`${join(folder, 'config.json')} is not JSON: ${(error as Error).message}`);
  }
  const keys = registry === 'docker.io' ? HUB_KEYS : [registry, `https://${registry}`, `http://${registry}`];
  for (const key of keys) {
    const auth = auths[key]?.auth;
    if (auth !== undefined && auth !== '') return auth;
  }
  return null;
}

/** Answers the challenges of one registry and remembers the answers. */
export class RegistryAuth {
  readonly #registry: string;
  readonly #credentials: Credentials;
  /** Value of `authorization` by scope. */
  readonly #known = new Map<string, string>();

  constructor(registry: string, credentials: Credentials) {
    this.#registry = registry;
    this.#credentials = credentials;
  }

  header(scope: string): string | null {
    return this.#known.get(scope) ?? null;
  }

  /** After a 401: whether there is something new to try, which `header` then gives. */
  async answer(challengeText: string | null, scope: string): Promise<boolean> {
    const challenge = parseChallenge(challengeText ?? '');
    const credentials = await this.#credentials(this.#registry);
    let header: string | null = null;
    if (challenge?.scheme === 'bearer') header = await this.#token(challenge, scope, credentials);
    else if (challenge?.scheme === 'basic' && credentials !== null) header = `Basic ${credentials}`;
    if (header === null || this.#known.get(scope) === header) return false;
    this.#known.set(scope, header);
    return true;
  }

  async #token({ parameters }: Challenge, scope: string, credentials: string | null): Promise<string | null> {
    const realm = URL.canParse(parameters['realm'] ?? '') ? new URL(parameters['realm'] as string) : null;
    const plain = realm?.protocol === 'http:' && isLoopback(realm.host) && isLoopback(this.#registry);
    if (realm === null || (realm.protocol !== 'https:' && !plain)) {
      throw invalid(`${this.#registry} sends to "${parameters['realm'] ?? ''}" for a token, which is no https address`);
    }
    if (parameters['service'] !== undefined) realm.searchParams.set('service', parameters['service']);
    for (const one of scope.split(' ')) realm.searchParams.append('scope', one);
    const headers: Record<string, string> = credentials === null ? {} : { authorization: `Basic ${credentials}` };
    const response = await fetch(realm, { headers, signal: AbortSignal.timeout(TOKEN_LIMIT_MS) }).catch((error) => {
      throw new IluvatarError('unavailable', `the token service ${realm.host} cannot be reached: ${reasonOf(error)}`);
    });
    const body = (await response.json().catch(() => null)) as { token?: unknown; access_token?: unknown } | null;
    if (response.status === 401 || response.status === 403) return null;
    const token = body?.token ?? body?.access_token;
    if (!response.ok || typeof token !== 'string' || token === '') {
      throw invalid(`the token service ${realm.host} answered with ${response.status} and no token`);
    }
    return `Bearer ${token}`;
  }
}

/** Spoken to without encryption, as Docker does. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/.test(host);
}

/** The first challenge of `www-authenticate`. */
function parseChallenge(text: string): Challenge | null {
  const match = /^\s*(bearer|basic)\s+(.*)$/is.exec(text);
  if (match === null) return null;
  const parameters: Record<string, string> = {};
  for (const [, name, quoted, plain] of (match[2] as string).matchAll(/([a-z_]+)=(?:"([^"]*)"|([^\s,]+))/gi)) {
    parameters[(name as string).toLowerCase()] = quoted ?? plain ?? '';
  }
  return { scheme: (match[1] as string).toLowerCase(), parameters };
}
