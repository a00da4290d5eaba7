import { FLAME_SCRIPT } from './flame-script.js';
import { type FlameBox, layOut } from './flame-tree.js';
import type { FoldedStacks } from './folded.js';

/** Folded stacks as a flame graph: one SVG file that needs nothing else, with a title for each box, zoom and search. */

export interface FlameGraphOptions {
  readonly title: string;
  /** px */
  readonly width?: number;
}

const ROW = 17;
const HEAD = 44;
const FOOT = 10;
const FONT = 11;
/** Of a character of the font, on the average; px. */
const CHARACTER = 6.6;
/** Narrower ones would not be seen; px. */
const LEAST_WIDTH = 0.3;

export function flameGraph(stacks: FoldedStacks, { title, width = 1280 }: FlameGraphOptions): string {
  const { boxes, totalUs, depth } = layOut(stacks, LEAST_WIDTH / width);
  const height = HEAD + depth * ROW + FOOT;
  const scale = totalUs === 0 ? 0 : width / totalUs;
  const rows = boxes.map((box) => boxText(box, { scale, width, totalUs, bottom: height - FOOT })).join('\n');
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" data-width="${width}" font-family="ui-monospace,Menlo,Consolas,monospace" font-size="${FONT}">
<style>rect{shape-rendering:crispEdges}g.box{cursor:pointer}g.box:hover rect{fill-opacity:.7}text{pointer-events:none}#found{pointer-events:auto;cursor:pointer}</style>
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="${width / 2}" y="22" text-anchor="middle" font-size="15">${escapeXml(title)}</text>
<text x="4" y="38" fill="#666">${escapeXml(`${(totalUs / 1000).toFixed(1)} ms of all threads together; wide = long, above = called`)}</text>
<text id="found" x="${width - 4}" y="38" text-anchor="end" fill="#06c">search</text>
${rows}
<script><![CDATA[${FLAME_SCRIPT}]]></script>
</svg>
`;
}

/** The same as a page, for what opens no SVG. */
export function flameGraphPage(stacks: FoldedStacks, options: FlameGraphOptions): string {
  const svg = flameGraph(stacks, options).replace(/^<\?xml[^>]*>\n/, '');
  // In HTML a script is text already, and a CDATA section would be part of it.
  const inline = svg.replace('<script><![CDATA[', '<script>').replace(']]></script>', '</script>');
  return `<!doctype html>\n<meta charset="utf-8">\n<title>${escapeXml(options.title)}</title>\n<body style="margin:0">\n${inline}</body>\n`;
}

interface Place {
  readonly scale: number;
  readonly width: number;
  readonly totalUs: number;
  readonly bottom: number;
}

function boxText({ name, depth, at, us }: FlameBox, { scale, width, totalUs, bottom }: Place): string {
  const x = at * scale;
  const wide = depth === 0 ? width : us * scale;
  const y = bottom - (depth + 1) * ROW;
  const share = totalUs === 0 ? 100 : (100 * us) / totalUs;
  const room = Math.floor((wide - 6) / CHARACTER);
  const shown = room < 3 ? '' : name.length <= room ? name : `${name.slice(0, room - 1)}…`;
  const escaped = escapeXml(name);
  return (
    `<g class="box" data-box="${depth},${Math.round(at)},${Math.round(us)}" data-name="${escaped}">` +
    `<title>${escaped}: ${(us / 1000).toFixed(2)} ms, ${share.toFixed(2)} %</title>` +
    `<rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(0, wide - 0.5).toFixed(1)}" height="${ROW - 1}" fill="${colour(name, depth)}"/>` +
    `<text x="${(x + 3).toFixed(1)}" y="${y + 12}">${escapeXml(shown)}</text></g>`
  );
}

/** By whose code it is, with a shade of its own for each name. */
function colour(name: string, depth: number): string {
  const shade = hash(name) % 12;
  if (depth <= 1) return '#d8d8d8';
  if (name.includes('(node:')) return `hsl(200,60%,${68 + shade}%)`;
  if (name.includes('(node_modules/')) return `hsl(270,45%,${72 + shade}%)`;
  if (name.startsWith('(')) return `hsl(0,0%,${72 + shade}%)`;
  return `hsl(${24 + shade * 2},90%,${62 + (shade % 5) * 2}%)`;
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return value;
}

function escapeXml(text: string): string {
  const safe = text.replaceAll(/[^\t\n\r\x20-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '?');
  return safe.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
