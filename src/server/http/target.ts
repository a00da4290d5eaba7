import { isFunctionName } from '../../core/function.js';

/**
 * Reads the URL of an invocation once. Clients repeat a handful of URLs, so the result is remembered by the raw text and the hot path is one map look-up. What is
 * remembered is the name, never the handle: functions come and go.
 */
export interface InvokeTarget {
  readonly name: string;
  /** '' = not in the path: the header's, else 1. */
  readonly version: string;
  readonly envelope: boolean;
  readonly async: boolean;
  /** What is wrong with the URL; '' = nothing. */
  readonly fault: string;
}

/** A client that makes up URLs must not fill the memory: only so many, and only short ones, are kept. */
const REMEMBERED_TARGETS = 4096;
const REMEMBERED_LENGTH = 512;

export class InvokeTargets {
  readonly #known = new Map<string, InvokeTarget>();

  /** Null when the URL is not that of an invocation. */
  find(url: string): InvokeTarget | null {
    return this.#known.get(url) ?? this.#read(url);
  }

  #read(url: string): InvokeTarget | null {
    const target = readInvokeUrl(url);
    if (target === null || url.length > REMEMBERED_LENGTH) return target;
    if (this.#known.size >= REMEMBERED_TARGETS) this.#known.clear();
    this.#known.set(url, target);
    return target;
  }
}

/** `/functions/{name}/invoke` and `/functions/{name}/{version}/invoke`, with `?async` and `?envelope`. */
export function readInvokeUrl(url: string): InvokeTarget | null {
  const cut = url.indexOf('?');
  const path = pathOf(cut < 0 ? url : url.slice(0, cut));
  const parts = path.split('/');
  if ((parts.length !== 4 && parts.length !== 5) || parts[1] !== 'functions' || parts.at(-1) !== 'invoke') return null;
  const name = decoded(parts[2] as string);
  const version = parts.length === 5 ? decoded(parts[3] as string) : '';
  const query = new URLSearchParams(cut < 0 ? '' : url.slice(cut + 1));
  let fault = '';
  if (!isFunctionName(name)) fault = 'the function name in the path is not a name';
  else if (parts.length === 5 && !isFunctionName(version)) fault = 'the function version in the path is not a version';
  return { name, version, envelope: isOn(query, 'envelope'), async: isOn(query, 'async'), fault };
}

/** Proxies send the absolute form, `http://host/path`. */
function pathOf(text: string): string {
  if (text.startsWith('/')) return text;
  const authority = text.indexOf('://');
  const slash = authority < 0 ? -1 : text.indexOf('/', authority + 3);
  return slash < 0 ? '' : text.slice(slash);
}

/** `?async`, `?async=1` and `?async=true` turn it on; `?async=false` and `?async=0` do not. */
export function isOn(query: URLSearchParams, key: string): boolean {
  const value = query.get(key);
  return value !== null && value !== 'false' && value !== '0';
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return '';
  }
}
