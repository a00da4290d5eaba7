import { createHash } from 'node:crypto';

/** Names of layers: the hash of everything that decides what an installation contains, and of nothing else. */

/** Lines that name files beside the requirements: then the source itself decides the content too. */
const LOCAL_REQUIREMENT =
  /^\s*(-r|--requirement|-c|--constraint|-e|--editable|\.|file:)|^\s*[^#\s-][^#\s]*\/|@\s*file:/m;
const LOCAL_PACKAGE = /"(file:|link:|\.{0,2}\/)/;

/** Without comments, blank lines and differences in spacing, so that cosmetic edits do not install again. Order stays: pip minds it. */
export function normaliseRequirements(text: string): string {
  return text
    .split(/\r?\n/)
    .map((line) =>
      line
        .replace(/(^|\s)#.*$/, '')
        .trim()
        .replace(/\s+/g, ' '),
    )
    .filter((line) => line !== '')
    .join('\n');
}

export function pythonLayerHash(requirements: string, sourceDigest: string, version: string, abi: string): string {
  const text = normaliseRequirements(requirements);
  return layerHash(['python', text, LOCAL_REQUIREMENT.test(text) ? sourceDigest : '', version, abi]);
}

/** null = package.json names no dependencies. Throws a SyntaxError when it is no JSON. */
export function nodeLayerHash(
  packageJson: string,
  lock: string | null,
  sourceDigest: string,
  abi: string,
): string | null {
  const { dependencies, optionalDependencies, overrides } = JSON.parse(packageJson) as Record<
    string,
    object | undefined
  >;
  if (Object.keys({ ...dependencies, ...optionalDependencies }).length === 0) return null;
  const wanted = JSON.stringify({ dependencies, optionalDependencies, overrides });
  return layerHash(['node', wanted, lock ?? '', isLocalPackage(wanted) ? sourceDigest : '', abi]);
}

/** It depends on folders beside it. */
export function isLocalPackage(packageJson: string): boolean {
  return LOCAL_PACKAGE.test(packageJson);
}

function layerHash(parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of [...parts, process.platform, process.arch]) hash.update(`${Buffer.byteLength(part)}\0${part}\0`);
  return hash.digest('hex');
}
