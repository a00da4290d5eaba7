/** The report's style: light or dark as its reader has it, and fit for paper. */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1c1c1c; --soft: #5c5c5c; --line: #d4d4d4; --page: #ffffff; --head: #f3f3f3; --good: #00664b; --bad: #b3400f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --soft: #a8a8a8; --line: #474747; --page: #181818; --head: #262626; --good: #4fc79f; --bad: #f29663; }
}
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; } h3 { font-size: 1rem; margin-top: 1.75rem; }
table { border-collapse: collapse; margin: .5rem 0 1rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .25rem; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; white-space: nowrap; }
thead th { background: var(--head); font-weight: 600; }
th[scope=row], td.text, th.text { text-align: left; font-weight: normal; }
td.text { white-space: normal; overflow-wrap: anywhere; min-width: 12rem; }
thead th.text { font-weight: 600; }
.scroll { overflow-x: auto; }
figure { margin: 1rem 0; } figure svg { max-width: 100%; height: auto; }
figcaption { color: var(--soft); }
nav ul { columns: 2; } a { color: inherit; }
.note { border-left: 3px solid var(--bad); padding-left: .75rem; margin: .5rem 0; }
.better { color: var(--good); font-weight: 600; } .worse { color: var(--bad); font-weight: 600; }
footer { margin-top: 3rem; color: var(--soft); border-top: 1px solid var(--line); padding-top: .5rem; }
@media print { body { max-width: none; } figure, table { break-inside: avoid; } }
`;
