import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Keeper } from '../../src/keeper/keeper.js';
import { describeHeld, Stage } from './stage.js';

/** Whatever two clients say in whatever order, the keeper holds what a map would. */

interface Model {
  /** As a map keeps its order: a key that is set again stays in its place. */
  held: Map<string, string>;
}

interface Real {
  clients: readonly Keeper[];
  file: number;
}

type Command = fc.AsyncCommand<Model, Real>;

const KEYS = ['a', 'b', 'c', 'd'];

/** What one client said is with the keeper before another says something: between clients there is no other order. */
async function settle(client: Keeper): Promise<void> {
  await client.list().then(describeHeld);
}

function hold(client: number, key: string, text: string, files: number): Command {
  return {
    check: () => true,
    async run(model, { clients, file }) {
      const speaker = clients[client] as Keeper;
      speaker.hold(key, text, new Array<number>(files).fill(file));
      model.held.set(key, `${text}+${files}`);
      await settle(speaker);
    },
    toString: () => `hold(${client}, ${key}, ${JSON.stringify(text)}, ${files})`,
  };
}

function drop(client: number, key: string): Command {
  return {
    check: () => true,
    async run(model, { clients }) {
      const speaker = clients[client] as Keeper;
      speaker.drop(key);
      model.held.delete(key);
      await settle(speaker);
    },
    toString: () => `drop(${client}, ${key})`,
  };
}

/** Several things at once, without waiting in between. */
function burst(client: number, steps: readonly (readonly [key: string, text: string | null])[]): Command {
  return {
    check: () => true,
    async run(model, { clients, file }) {
      const speaker = clients[client] as Keeper;
      for (const [key, text] of steps) {
        if (text === null) {
          speaker.drop(key);
          model.held.delete(key);
        } else {
          speaker.hold(key, text, [file]);
          model.held.set(key, `${text}+1`);
        }
      }
      await settle(speaker);
    },
    toString: () => `burst(${client}, ${JSON.stringify(steps)})`,
  };
}

function list(client: number): Command {
  return {
    check: () => true,
    async run(model, { clients }) {
      const held = describeHeld(await (clients[client] as Keeper).list());
      expect(held).toEqual([...model.held].map(([key, value]) => `${key}=${value}`));
    },
    toString: () => `list(${client})`,
  };
}

const client = fc.integer({ min: 0, max: 1 });
const key = fc.constantFrom(...KEYS);
const text = fc.string({ maxLength: 40, unit: 'grapheme' });

describe('the keeper and a map', () => {
  it('hold the same', async () => {
    const stage = new Stage();
    try {
      const clients = [await stage.open(), await stage.open()];
      const file = stage.file();
      const commands = [
        fc.tuple(client, key, text, fc.integer({ min: 0, max: 16 })).map((args) => hold(...args)),
        fc.tuple(client, key).map((args) => drop(...args)),
        fc
          .tuple(client, fc.array(fc.tuple(key, fc.option(text)), { maxLength: 50 }))
          .map(([who, steps]) => burst(who, steps)),
        client.map(list),
      ];
      await fc.assert(
        fc.asyncProperty(fc.commands(commands, { maxCommands: 40 }), async (sequence) => {
          for (const each of KEYS) clients[0]?.drop(each);
          await settle(clients[0] as Keeper);
          const model = { held: new Map<string, string>() };
          await fc.asyncModelRun(() => ({ model, real: { clients, file } }), sequence);
          await list(0).run(model, { clients, file });
        }),
        { numRuns: 60 },
      );
    } finally {
      await stage.dispose();
    }
  });
});
