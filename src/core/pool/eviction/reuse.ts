import type { Container } from '../container.js';

/**
 * Whether the use that a container is leaving for is one that found it there. A container made for an invocation is idle for a moment before that one
 * takes it: to a cache that is the insertion, not a hit. One made ahead of any invocation is hit by its first.
 */
export function isReuse(container: Container): boolean {
  return container.invocations > 0 || container.state !== 'cold';
}
