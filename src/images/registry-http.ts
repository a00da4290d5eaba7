import { setTimeout as sleep } from 'node:timers/promises';
import { IluvatarError } from '../core/errors.js';
import { invalid, reasonOf } from './failure.js';
import { type Credentials, isLoopback, RegistryAuth } from './registry-auth.js';

/** Requests to one registry: tokens, a limit on silence, another try after what passes by itself, and refusals as sentences. */

export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  /** Path below the registry, or a whole address that it gave. */
  readonly url: string | URL;
  /** What is asked for, for the token service: `repository:library/debian:pull`. */
  readonly scope: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** Tries in all; more than one only for what may be done twice. */
  readonly tries?: number;
}

/** How long a registry may be silent. */
export const SILENCE_MS = 30_000;
const FIRST_PAUSE_MS = 200;

export class RegistryHttp {
  readonly registry: string;
  readonly #origin: URL;
  readonly #auth: RegistryAuth;

  constructor(registry: string, credentials: Credentials) {
    this.registry = registry;
    const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry;
    this.#origin = new URL(`${isLoopback(registry) ? 'http' : 'https'}://${host}`);
    this.#auth = new RegistryAuth(registry, credentials);
  }

  /** An address that the registry gave, relative or whole. */
  resolve(location: string, base: URL = this.#origin): URL {
    const url = URL.canParse(location, base.href) ? new URL(location, base) : null;
    if (url === null || !/^https?:$/.test(url.protocol)) {
      throw invalid(`${this.registry} names "${location}", which is no address`);
    }
    // Never from encrypted to plain, whatever a registry says.
    if (this.#origin.protocol === 'https:' && url.protocol === 'http:') url.protocol = 'https:';
    return url;
  }

  /** Any answer but 401, 429 and those of 500 and more, which are thrown once the tries are used up. */
  async send(request: RegistryRequest): Promise<Response> {
    const { tries = 1 } = request;
    for (let attempt = 1; ; attempt++) {
      let failure: IluvatarError;
      try {
        const response = await this.#authorised(request);
        if (response.status !== 429 && response.status < 500) return response;
        failure = await this.#failure(response, request);
      } catch (error) {
        if (!(error instanceof IluvatarError) || error.errorClass !== 'unavailable') throw error;
        failure = error;
      }
      if (attempt >= tries) throw failure;
      await sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1));
    }
  }

  /** What an answer that was not hoped for says, as an error. */
  async refusal(response: Response, what: string): Promise<IluvatarError> {
    const said = await saidIn(response);
    const text = `${what}: ${this.registry} answered with ${response.status}${said === '' ? '' : ` (${said})`}`;
    return new IluvatarError(response.status === 404 ? 'not_found' : 'invalid', text);
  }

  async #authorised(request: RegistryRequest): Promise<Response> {
    const response = await this.#once(request);
    if (response.status !== 401) return response;
    const challenge = response.headers.get('www-authenticate');
    const said = await saidIn(response);
    if (await this.#auth.answer(challenge, request.scope)) {
      const second = await this.#once(request);
      if (second.status !== 401) return second;
      await second.body?.cancel();
    }
    const advice = `log in with "docker login ${this.registry}", whose ~/.docker/config.json is read`;
    throw invalid(`${this.registry} refuses ${request.scope}${said === '' ? '' : ` (${said})`}: ${advice}`);
  }

  async #once({ method, url, scope, headers, body }: RegistryRequest): Promise<Response> {
    const target = typeof url === 'string' ? this.resolve(url) : url;
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(new Error(`no answer for ${SILENCE_MS} ms`)), SILENCE_MS);
    // An upload may go to another host, which has no business with our token.
    const token = target.host === this.#origin.host ? this.#auth.header(scope) : null;
    try {
      return await fetch(target, {
        method,
        headers: { ...headers, ...(token === null ? {} : { authorization: token }) },
        signal: silence.signal,
        ...(body === undefined ? {} : { body: new Uint8Array(body) }),
      });
    } catch (error) {
      throw new IluvatarError('unavailable', `${this.registry} cannot be reached: ${reasonOf(error)}`);
    } finally {
      clearTimeout(timer);
    }
  }

  async #failure(response: Response, { method }: RegistryRequest): Promise<IluvatarError> {
    const said = await saidIn(response);
    const text = `${this.registry} answered ${method} with ${response.status}${said === '' ? '' : ` (${said})`}`;
    return new IluvatarError('unavailable', text);
  }
}

/** The registry's own words, if it found any. */
async function saidIn(response: Response): Promise<string> {
  const text = await response.text().catch(() => '');
  try {
    const { errors } = JSON.parse(text) as { errors?: { code?: string; message?: string }[] };
    return (errors ?? []).map(({ code = '', message = '' }) => `${code}: ${message}`).join('; ');
  } catch {
    return '';
  }
}
