import { createHmac } from 'node:crypto';
import { IluvatarError } from '../../core/errors.js';
import type { TraceHeaders } from '../../telemetry/tracing/trace-context.js';

/** One webhook as a request: where it may go, how it is signed (as https://www.standardwebhooks.com says), and what its answer means. */

/** Throws `invalid` for what is no http(s) URL, or not among the allowed hosts. */
export function checkWebhookUrl(text: string, hosts: readonly string[]): void {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new IluvatarError('invalid', `"${text}" is not an http or https URL for a webhook`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new IluvatarError('invalid', 'a webhook URL may not hold a user or password');
  }
  if (hosts.length > 0 && !hosts.includes(url.host) && !hosts.includes(url.hostname)) {
    throw new IluvatarError('invalid', `webhooks to "${url.host}" are not allowed here (async.webhooks.hosts)`);
  }
}

/** The bytes of a secret: base64 after `whsec_`, else the text's own. */
export function secretBytes(secret: string): Buffer {
  return secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret);
}

/** `timestamp`: seconds since 1970. '' as secret = not signed. `trace`: of the invocation; null = none. */
export function webhookHeaders(
  id: string,
  timestamp: number,
  body: string,
  secret: string,
  trace: TraceHeaders | null = null,
): Record<string, string> {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
  };
  if (trace !== null) {
    headers['traceparent'] = trace.traceparent;
    if (trace.tracestate !== '') headers['tracestate'] = trace.tracestate;
  }
  if (secret !== '') {
    const signature = createHmac('sha256', secretBytes(secret)).update(`${id}.${timestamp}.${body}`).digest('base64');
    headers['webhook-signature'] = `v1,${signature}`;
  }
  return headers;
}

/** Null = delivered (2xx); else what went wrong, and whether trying again makes sense. */
export type DeliveryFault = { readonly message: string; readonly lasting: boolean } | null;

/** Never rejects. A redirect is not followed: it would lead past the allowed hosts. */
export async function postWebhook(
  url: string,
  headers: Record<string, string>,
  body: string,
  signal: AbortSignal,
): Promise<DeliveryFault> {
  try {
    const response = await fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal });
    await response.body?.cancel();
    if (response.ok) return null;
    // "Gone" is how a receiver says that it wants no more of these.
    return { message: `the receiver answered ${response.status}`, lasting: response.status === 410 };
  } catch (error) {
    const { cause, message } = error as Error;
    return { message: cause instanceof Error ? cause.message : message, lasting: false };
  }
}
