import type { Descriptor, Index } from './documents.js';
import { invalid } from './failure.js';

/** Which machine an image is for, in the words of Go, which registries speak. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** `v7`, `v8`; null = any. */
  readonly variant: string | null;
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', arm64: 'arm64', arm: 'arm' };

/** Of this machine. */
export function hostPlatform(): Platform {
  return { os: 'linux', architecture: ARCHITECTURES[process.arch] ?? process.arch, variant: null };
}

/** `linux/arm64`, `linux/arm/v7`. Functions run on Linux alone. */
export function parsePlatform(text: string): Platform {
  const [os = '', architecture = '', variant, ...more] = text.split('/');
  const wrong = more.length > 0 || [architecture, variant ?? 'v1'].some((part) => !/^[a-z0-9]+$/.test(part));
  if (wrong || os !== 'linux') throw invalid(`"${text}" is no platform such as linux/amd64 or linux/arm/v7`);
  return { os, architecture, variant: variant ?? null };
}

export function formatPlatform({ os, architecture, variant }: Platform): string {
  return `${os}/${architecture}${variant === null ? '' : `/${variant}`}`;
}

/** A missing variant, on either side, is any: registries and clients disagree about naming arm64's only one. */
export function matches(
  offered: { os: string; architecture: string; variant?: string | null | undefined },
  wanted: Platform,
): boolean {
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return false;
  return wanted.variant === null || (offered.variant ?? wanted.variant) === wanted.variant;
}

/** The entry of an index for this platform. One that says no platform is taken if it is the only one. */
export function pickManifest({ manifests }: Index, wanted: Platform, where: string): Descriptor {
  // Attestations lie beside the images that they are about.
  const images = manifests.filter((item) => item.platform?.os !== 'unknown');
  const suitable = images.filter((item) => item.platform !== undefined && matches(item.platform, wanted));
  const exact = suitable.find((item) => (item.platform?.variant ?? null) === wanted.variant);
  const [only] = images;
  const found = exact ?? suitable[0] ?? (images.length === 1 && only?.platform === undefined ? only : undefined);
  if (found !== undefined) return found;
  const offered = images.map((item) =>
    item.platform === undefined
      ? 'one of no platform'
      : formatPlatform({ ...item.platform, variant: item.platform.variant ?? null }),
  );
  throw invalid(`${where} has no image for ${formatPlatform(wanted)}; it has ${offered.join(', ') || 'none'}`);
}
