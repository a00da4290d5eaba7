import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Writes a wheel of a pure-Python package into a folder, so that pip has something to install without any network. */
export function makeWheel(folder: string, name: string, version: string, files: Record<string, string>): string {
  mkdirSync(folder, { recursive: true });
  const wheel = join(folder, `${name}-${version}-py3-none-any.whl`);
  const info = `${name}-${version}.dist-info`;
  const all: Record<string, string> = {
    ...files,
    [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`,
    [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
  };
  all[`${info}/RECORD`] = [...Object.keys(all), `${info}/RECORD`].map((file) => `${file},,\n`).join('');
  const listing = join(folder, `${name}.json`);
  writeFileSync(listing, JSON.stringify(all));
  const script =
    'import json,sys,zipfile\nz=zipfile.ZipFile(sys.argv[2],"w")\n[z.writestr(n,t) for n,t in json.load(open(sys.argv[1])).items()]\nz.close()';
  execFileSync('/usr/bin/python3', ['-c', script, listing, wheel]);
  return wheel;
}
