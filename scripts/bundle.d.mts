import type { BuildOptions } from 'esbuild';

/** What tests need of `bundle.mjs`. */
export function bundleOptions(): BuildOptions;
