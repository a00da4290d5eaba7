import type { JetsonConfig } from '../../config/sections/jetson.js';
import { type BoardFacts, boardFacts } from '../../telemetry/jetson/board-facts.js';
import { railsText } from '../jetson/facts.js';
import { type Finding, finding, type Verdict } from './finding.js';

/** The board, where this is a Jetson: nothing is said of it elsewhere. */

const GROUP = 'jetson';

export async function jetsonFindings(config: JetsonConfig): Promise<Finding[]> {
  const facts = await boardFacts(config);
  const { board } = facts;
  if (board === null) return [];
  const release = board.l4t === null ? '' : `, L4T ${board.l4t}`;
  return [
    finding(GROUP, 'board', 'a GPU for functions, memory that is counted once', {
      state: 'ok',
      found: `${board.model}${release}`,
    }),
    finding(GROUP, 'utilisation', 'the limit on what starts on the GPU (gpu.utilizationLimit)', utilisation(facts)),
    finding(GROUP, 'power', 'power of the board and its rails', power(facts)),
  ];
}

function utilisation({ gpuLoad, tegrastats }: BoardFacts): Verdict {
  if (gpuLoad) return { state: 'ok', found: 'from the GPU’s driver' };
  if ('file' in tegrastats && process.getuid?.() === 0) return { state: 'ok', found: `from ${tegrastats.file}` };
  if ('file' in tegrastats) {
    return {
      state: 'warn',
      found: `from ${tegrastats.file}, which may leave it out`,
      advice: 'run the worker as root',
    };
  }
  return {
    state: 'warn',
    found: `tegrastats is ${tegrastats.lacks}`,
    advice: 'it comes with Jetson Linux: is /usr/bin/tegrastats there, and on PATH?',
  };
}

function power({ rails, tegrastats }: BoardFacts): Verdict {
  if (rails.readable.length > 0) return { state: 'ok', found: railsText(rails) };
  if ('file' in tegrastats && process.getuid?.() === 0) return { state: 'ok', found: `from ${tegrastats.file}` };
  return { state: 'warn', found: railsText(rails), advice: 'run the worker as root' };
}
