import type { InfluxSinkConfig } from '../../config/sections/metrics.js';

/** One request to an InfluxDB, with what it wants to know of who asks. */

export type InfluxServer = Pick<InfluxSinkConfig, 'url' | 'api' | 'token' | 'user' | 'password'>;

export interface InfluxAnswer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** Rejects when there is no answer. */
export async function influxRequest(
  server: InfluxServer,
  method: 'GET' | 'POST',
  path: string,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
  body?: { readonly text: string; readonly type?: string; readonly accept?: string },
): Promise<InfluxAnswer> {
  const url = new URL(server.url);
  url.pathname = `${url.pathname.replace(/\/$/, '')}${path}`;
  url.search = new URLSearchParams(query).toString();
  const headers: Record<string, string> = { 'content-type': body?.type ?? 'text/plain; charset=utf-8' };
  if (body?.accept !== undefined) headers['accept'] = body.accept;
  if (server.api === 'v2' && server.token !== '') headers['authorization'] = `Token ${server.token}`;
  if (server.api === 'v1' && server.user !== '') {
    headers['authorization'] = `Basic ${Buffer.from(`${server.user}:${server.password}`).toString('base64')}`;
  }
  try {
    const response = await fetch(url, { method, headers, signal, ...(body === undefined ? {} : { body: body.text }) });
    return { status: response.status, text: await response.text(), headers: response.headers };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    // fetch says "fetch failed" and keeps why to itself.
    const cause = (error as Error).cause;
    throw new Error(`${url.origin} cannot be reached: ${cause instanceof Error ? cause.message : String(error)}`);
  }
}
