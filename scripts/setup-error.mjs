/** A failure whose message says all there is to say: shown without a stack. */
export class SetupError extends Error {}
