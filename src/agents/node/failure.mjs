/** Turns what user code threw into what its caller reads: one line, and a traceback without our own frames. */
import { inspect } from 'node:util';

const MESSAGE_LIMIT = 8 * 1024;
const TRACEBACK_LIMIT = 64 * 1024;
const HERE = new URL('.', import.meta.url).href;
const HERE_PATH = new URL('.', import.meta.url).pathname;

/** { message, traceback }. Never throws: a thrown value may have hostile getters. */
export function describe(thrown) {
  let message = 'an exception that cannot be shown';
  let traceback = '';
  try {
    if (thrown instanceof Error || isErrorLike(thrown)) {
      message = thrown.message === '' ? `${thrown.name}` : `${thrown.name}: ${thrown.message}`;
      traceback = String(thrown.stack ?? '')
        .split('\n')
        .filter((line) => !isOurs(line))
        .join('\n');
      for (let cause = thrown.cause, depth = 0; isErrorLike(cause) && depth < 10; cause = cause.cause, depth++) {
        traceback += `\nCaused by: ${cause.stack}`;
      }
    } else {
      message = `thrown value: ${typeof thrown === 'string' ? thrown : inspect(thrown)}`;
    }
  } catch {
    // What could be found out so far has to do.
  }
  return { message: bounded(message, MESSAGE_LIMIT), traceback: bounded(traceback, TRACEBACK_LIMIT) };
}

// Errors of other realms (vm contexts) are not instances of our Error.
function isErrorLike(value) {
  return (
    typeof value === 'object' && value !== null && typeof value.message === 'string' && typeof value.stack === 'string'
  );
}

function isOurs(line) {
  if (!/^\s+at /.test(line)) return false;
  return (
    line.includes(HERE) || line.includes(HERE_PATH) || /\(?node:internal\/(modules|process|timers|main)\b/.test(line)
  );
}

/** At most `limit` characters: the beginning and the end, where the interesting lines are. */
function bounded(text, limit) {
  if (text.length <= limit) return text;
  const half = limit / 2;
  return `${text.slice(0, half)}\n… (${text.length - limit} characters left out) …\n${text.slice(-half)}`;
}
