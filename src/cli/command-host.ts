import type { Command } from 'commander';
import { addGlobalOptions, Context, type GlobalOptions } from './context.js';

/** What a subcommand's file is given to add itself with. */
export class CommandHost {
  readonly #parent: Command;

  constructor(parent: Command) {
    this.#parent = parent;
  }

  /** Adds a subcommand with the global options, and its examples in `--help`. */
  add(name: string, description: string, examples: readonly string[]): Command {
    const command = addGlobalOptions(this.#parent.command(name).description(description));
    const lines = examples.map((example) => `  $ iluvatar ${example}\n`).join('');
    return command.addHelpText('after', `\nExamples:\n${lines}`);
  }
}

/** The action of a subcommand: `run` gets the context, the subcommand's own options, and its operands as commander parsed them. */
export function action<Options, Operands extends unknown[]>(
  run: (context: Context, options: Options, ...operands: Operands) => Promise<void> | void,
): (...parameters: unknown[]) => Promise<void> {
  return async (...parameters) => {
    const command = parameters.at(-1) as Command;
    const operands = parameters.slice(0, -2) as Operands;
    await run(new Context(globalOptions(command)), command.opts() as Options, ...operands);
  };
}

/** The nearer to the subcommand an option stands, the more it counts; `--set` adds up. */
function globalOptions(command: Command): GlobalOptions {
  const own: GlobalOptions = command.opts();
  if (command.parent === null) return own;
  const outer = globalOptions(command.parent);
  return { ...outer, ...own, set: [...(outer.set ?? []), ...(own.set ?? [])] };
}
