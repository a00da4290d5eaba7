/** How the times are spread that a client of a closed loop lets pass before its next invocation. */
export const THINKING = ['constant', 'exponential'] as const;
export type Thinking = (typeof THINKING)[number];
