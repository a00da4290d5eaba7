import { readFileSync } from 'node:fs';
import { UsageError } from './exit-codes.js';

/**
 * Arguments of an invocation, from the command line to JSON text. Values keep the text they were given as, since a number may be larger than JavaScript
 * holds exactly while the function's language holds it well.
 */

/**
 * From `-a` pairs: `k=v` is JSON if it reads as JSON (`n=3`, `b=true`, `l=[1,2]`, `s="3"`) and text otherwise; `k:=v` must be JSON; `k=@file` and `k:=@file` take a
 * file's content.
 */
export function argumentsFromPairs(pairs: readonly string[]): string {
  const values = new Map<string, string>();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    const strict = at > 0 && pair[at - 1] === ':';
    const name = pair.slice(0, strict ? at - 1 : at);
    if (at < 0 || name === '') throw new UsageError(`-a ${pair}: must be name=value or name:=json`);
    values.set(name, valueText(name, pair.slice(at + 1), strict));
  }
  return `{${[...values].map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')}}`;
}

/** From the one argument: JSON itself, `@file`, or `-` for standard input. Checked here, so that a typing mistake never reaches the worker. */
export function argumentsFromText(argument: string): string {
  const [text, where] = readArgument(argument);
  if (text.trim() === '') return '{}';
  const problem = jsonProblem(text);
  if (problem !== null) throw new UsageError(`the arguments${where} are not JSON: ${problem}`);
  return text;
}

function readArgument(argument: string): [text: string, where: string] {
  if (argument === '-') return [readFile(0, 'standard input'), ' on standard input'];
  if (argument.startsWith('@')) return [readFile(argument.slice(1), argument.slice(1)), ` in ${argument.slice(1)}`];
  return [argument, ''];
}

function valueText(name: string, value: string, strict: boolean): string {
  const fromFile = value.startsWith('@');
  const text = fromFile ? readFile(value.slice(1), value.slice(1)) : value;
  if (!strict) return !fromFile && jsonProblem(text) === null ? text : JSON.stringify(text);
  const problem = jsonProblem(text);
  if (problem !== null) throw new UsageError(`-a ${name}:=…: the value is not JSON: ${problem}`);
  return text;
}

function jsonProblem(text: string): string | null {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function readFile(file: string | number, shown: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${shown} cannot be read: ${(error as Error).message}`);
  }
}
