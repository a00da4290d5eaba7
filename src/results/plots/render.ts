import { IluvatarError } from '../../core/index.js';

/** A picture as data, in the language of vega-lite. */
export type Specification = Readonly<Record<string, unknown>>;

/** Packages that draw are large and needed by nothing else: they are optional dependencies, loaded when a picture is asked for. */
export type SvgRenderer = (specification: Specification) => Promise<string>;

/** Throws IluvatarError `unavailable` when the packages are not installed: call it before long work, to know. */
export async function loadSvgRenderer(): Promise<SvgRenderer> {
  const needs = 'a plot needs the optional packages vega and vega-lite: npm install vega vega-lite';
  const [vega, lite] = await Promise.all([
    optional(() => import('vega'), needs),
    optional(() => import('vega-lite'), needs),
  ]);
  return async (specification) => {
    // The specification is data; its type is a union of everything that vega-lite can draw, which no compiler enjoys.
    const { spec } = lite.compile(specification as unknown as Parameters<typeof lite.compile>[0]);
    const view = new vega.View(vega.parse(spec), { renderer: 'none', logLevel: vega.Error });
    try {
      return `${await view.toSVG()}\n`;
    } finally {
      view.finalize();
    }
  };
}

/** Pixels for each unit of the SVG: sharp on screens and on paper. */
const PNG_SCALE = 2;

/** Throws IluvatarError `unavailable` when the package is not installed. */
export async function loadPngRenderer(): Promise<(svg: string) => Uint8Array> {
  const needs = 'a PNG needs the optional package @resvg/resvg-js: npm install @resvg/resvg-js@2.6.2';
  const { Resvg } = await optional(() => import('@resvg/resvg-js'), needs);
  return (svg) =>
    new Resvg(svg, {
      fitTo: { mode: 'zoom', value: PNG_SCALE },
      font: { loadSystemFonts: true, defaultFontFamily: 'DejaVu Sans' },
    })
      .render()
      .asPng();
}

export async function optional<Module>(load: () => Promise<Module>, needs: string): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    throw new IluvatarError('unavailable', `${needs} (${(error as Error).message})`);
  }
}
