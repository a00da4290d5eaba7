import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatReference, manifestName, parseReference } from '../../src/images/references.js';

const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;

describe('image references', () => {
  it.each([
    ['debian', 'docker.io/library/debian:latest'],
    ['debian:12', 'docker.io/library/debian:12'],
    ['me/app', 'docker.io/me/app:latest'],
    ['docker.io/debian', 'docker.io/library/debian:latest'],
    ['index.docker.io/me/app:1', 'docker.io/me/app:1'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/a/b/c:1.0-rc_2', 'localhost:5000/a/b/c:1.0-rc_2'],
    ['127.0.0.1:5000/x', '127.0.0.1:5000/x:latest'],
    ['[::1]:5000/x:y', '[::1]:5000/x:y'],
    ['Host/app', 'Host/app:latest'],
    ['ghcr.io/a__b/c--d.e:_', 'ghcr.io/a__b/c--d.e:_'],
    [`quay.io/x@${DIGEST}`, `quay.io/x@${DIGEST}`],
    [`quay.io/x:1@${DIGEST}`, `quay.io/x:1@${DIGEST}`],
  ])('%s is %s', (text, whole) => {
    expect(formatReference(parseReference(text))).toBe(whole);
    expect(formatReference(parseReference(whole))).toBe(whole);
  });

  it('asks for the digest where there is one', () => {
    expect(manifestName(parseReference(`x:1@${DIGEST}`))).toBe(DIGEST);
    expect(manifestName(parseReference('x:1'))).toBe('1');
  });

  it.each([
    '',
    ':tag',
    'Debian',
    'a//b',
    '/a',
    'a/',
    'a:',
    'a:-x',
    `a:${'x'.repeat(129)}`,
    'a@sha256:12',
    'a@md5:00',
    `a@${DIGEST}@${DIGEST}`,
    'a b',
    'a___b',
    '-a',
    'a-',
    '../a',
    'a/../b',
    'host.x:99999/a',
    'host_x.y/a',
    `x/${'a'.repeat(255)}`,
    'https://x.y/a',
  ])('refuses "%s", naming it', (text) => {
    expect(() => parseReference(text)).toThrow(
      expect.objectContaining({ errorClass: 'invalid', message: expect.stringContaining(`"${text}" is no image`) }),
    );
  });

  it('reads back every reference that it takes', () => {
    const part = fc.stringMatching(/^[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}$/);
    const host = fc.stringMatching(/^[a-z][a-z0-9]{0,5}(\.[a-z0-9]{1,5}){1,2}(:[1-9][0-9]{0,3})?$/);
    const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/);
    const digest = fc.stringMatching(/^sha256:[a-f0-9]{64}$/);
    fc.assert(
      fc.property(
        host,
        fc.array(part, { minLength: 1, maxLength: 4 }),
        fc.option(tag),
        fc.option(digest),
        (registry, parts, tagText, digestText) => {
          const text = `${registry}/${parts.join('/')}${tagText === null ? '' : `:${tagText}`}${digestText === null ? '' : `@${digestText}`}`;
          const parsed = parseReference(text);
          expect(parsed).toMatchObject({ registry, repository: parts.join('/'), digest: digestText });
          expect(parseReference(formatReference(parsed))).toEqual(parsed);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('takes or refuses any text, and says the same of it twice', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab1./:@-_A[]% '), maxLength: 20 }), (text) => {
        let parsed: ReturnType<typeof parseReference>;
        try {
          parsed = parseReference(text);
        } catch (error) {
          expect(error).toMatchObject({ errorClass: 'invalid' });
          return;
        }
        expect(parseReference(formatReference(parsed))).toEqual(parsed);
      }),
      { numRuns: 500 },
    );
  });
});
