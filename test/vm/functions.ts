import * as greedy from '../support/greedy-functions.js';

/** Functions for the machine, as files. */

export const MEMORY = { 'main.py': greedy.MEMORY };

export const SPIN = { 'main.py': greedy.SPIN };

export const ADD = { 'index.mjs': 'export function main(args) {\n  return { sum: args.a + args.b };\n}\n' };

/** Takes its time, and says what it was given. */
export const SLOW = {
  'main.py': `import time

def main(args):
    time.sleep(args.get("seconds", 0))
    return args
`,
};
