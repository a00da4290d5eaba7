import { expect } from 'vitest';
import type { HandedOver } from '../../src/server/hand-over.js';
import { giveTo, type HandOverStage } from './hand-over-support.js';

/** What the suites of handing HTTP connections over share. */

export type HttpTestEdge = Awaited<ReturnType<HandOverStage['httpEdge']>>;

export interface Answer {
  n: number;
  by: string;
  pad: string;
}

/** A limit that no test reaches. */
export const LONG_MS = 20_000;
export const soon = (ms = 30) => new Promise((resolve) => setTimeout(resolve, ms));

export const post = (args: object | string, name = 'who', headers = '') => {
  const body = typeof args === 'string' ? args : JSON.stringify(args);
  return `POST /functions/${name}/1/invoke HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n${headers}\r\n${body}`;
};

/** The JSON answers in what a raw client received, in order. */
export function answersIn(text: string): Answer[] {
  const found: Answer[] = [];
  let at = 0;
  for (;;) {
    const head = text.indexOf('\r\n\r\n', at);
    if (head < 0) return found;
    expect(text.slice(at, at + 15)).toBe('HTTP/1.1 200 OK');
    const length = Number(/content-length: (\d+)/i.exec(text.slice(at, head))?.[1]);
    if (text.length < head + 4 + length) return found;
    found.push(JSON.parse(text.slice(head + 4, head + 4 + length)) as Answer);
    at = head + 4 + length;
  }
}

/** Edges one after the other, each taking over from the one before. */
export class HttpChain {
  readonly edges: HttpTestEdge[] = [];
  /** What was given, of all hand-overs. */
  readonly given: HandedOver[] = [];

  readonly #stage: HandOverStage;
  readonly #fd: number;

  /** `fd`: the listening socket of all of them. */
  constructor(stage: HandOverStage, fd: number) {
    this.#stage = stage;
    this.#fd = fd;
  }

  get edge(): HttpTestEdge {
    return this.edges.at(-1) as HttpTestEdge;
  }

  async begin(): Promise<this> {
    this.edges.push(await this.#stage.httpEdge(this.#fd));
    return this;
  }

  async next(connections: number): Promise<void> {
    const from = this.edge;
    const given: HandedOver[] = [];
    expect(await from.handOver((handed) => given.push(handed), LONG_MS)).toMatchObject({ given: connections, kept: 0 });
    expect(from.connections).toBe(0);
    expect(from.gateway.held.size).toBe(0);
    await from.close(0);
    this.edges.push(await this.#stage.httpEdge(this.#fd));
    for (const handed of given) giveTo(this.edge)(handed);
    this.given.push(...given);
  }

  arrived(): number {
    return this.edges.reduce((all, { gateway }) => all + gateway.arrived.length, 0);
  }
}
