/** How arrivals are spaced at a rate: independently of each other (exponential gaps), or evenly. */
export const SPACINGS = ['poisson', 'constant'] as const;
export type SpacingName = (typeof SPACINGS)[number];
