"""Renders an HTML table from a template."""

import hashlib
import time

from chameleon import PageTemplate

cold = True

TEMPLATE = PageTemplate(
    """<table>
<caption>${title}</caption>
<tr tal:repeat="row rows"><td tal:repeat="cell row" class="c${repeat.cell.index}">${cell}</td></tr>
</table>"""
)


def main(args):
    global cold
    was_cold, cold = cold, False
    rows = int(args.get("rows", 100))
    columns = int(args.get("columns", 20))
    title = str(args.get("title", "numbers"))
    table = [[r * columns + c for c in range(columns)] for r in range(rows)]
    start = time.time()
    html = TEMPLATE.render(title=title, rows=table)
    end = time.time()
    body = {
        "bytes": len(html.encode()),
        "sha256": hashlib.sha256(html.encode()).hexdigest(),
        "cold": was_cold,
        "start": start,
        "end": end,
        "latency": end - start,
    }
    if args.get("include"):
        body["html"] = html
    return {"body": body}
