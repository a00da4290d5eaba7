/**
 * What makes a flame graph answer in a browser: a click on a box widens it to the whole picture, a click on the root goes back, `/` or the word "search" marks what matches a
 * regular expression and says what part of the time it is. In the file itself, so that it opens without a network.
 */
export const FLAME_SCRIPT = `
(function () {
  var svg = document.currentScript.ownerSVGElement;
  var width = Number(svg.getAttribute('data-width'));
  var boxes = Array.prototype.slice.call(svg.querySelectorAll('g.box'));
  var found = svg.querySelector('#found');
  boxes.forEach(function (g) {
    var d = g.getAttribute('data-box').split(',').map(Number);
    g.box = { depth: d[0], at: d[1], us: d[2], name: g.getAttribute('data-name') };
    g.addEventListener('click', function () { zoom(g.box); });
  });
  var total = boxes[0].box.us;
  function zoom(to) {
    boxes.forEach(function (g) {
      var b = g.box, end = to.at + to.us;
      var above = b.depth < to.depth && b.at <= to.at && b.at + b.us >= end;
      var inside = b.depth >= to.depth && b.at >= to.at && b.at + b.us <= end;
      g.style.display = above || inside ? '' : 'none';
      if (!above && !inside) return;
      var x = above ? 0 : (b.at - to.at) / to.us * width, w = above ? width : b.us / to.us * width;
      g.setAttribute('opacity', above ? 0.5 : 1);
      var r = g.querySelector('rect'), t = g.querySelector('text');
      r.setAttribute('x', x); r.setAttribute('width', Math.max(0, w - 0.5));
      t.setAttribute('x', x + 3); t.textContent = fit(b.name, w);
    });
  }
  function fit(name, w) {
    var room = Math.floor((w - 6) / 6.6);
    return room < 3 ? '' : name.length <= room ? name : name.slice(0, room - 1) + '\\u2026';
  }
  function search() {
    var text = window.prompt('Mark frames that match (regular expression):', '');
    if (text === null) return;
    var re, spans = [];
    try { re = text === '' ? null : new RegExp(text, 'i'); } catch (e) { found.textContent = String(e.message); return; }
    boxes.forEach(function (g) {
      var hit = re !== null && g.box.depth > 0 && re.test(g.box.name);
      g.querySelector('rect').setAttribute('stroke', hit ? '#d0f' : 'none');
      g.querySelector('rect').setAttribute('stroke-width', hit ? 2 : 0);
      if (hit) spans.push([g.box.at, g.box.at + g.box.us]);
    });
    spans.sort(function (a, b) { return a[0] - b[0]; });
    var sum = 0, end = -1;
    spans.forEach(function (s) { if (s[1] > end) { sum += s[1] - Math.max(s[0], end); end = s[1]; } });
    found.textContent = re === null ? 'search' : 'matched ' + (100 * sum / total).toFixed(1) + ' %';
  }
  found.addEventListener('click', search);
  window.addEventListener('keydown', function (e) { if (e.key === '/') { e.preventDefault(); search(); } });
})();
`;
