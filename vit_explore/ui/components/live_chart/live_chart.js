// A chart that is fed again and again: built once, then only redrawn. All its state (zoom, hidden curves) lives on its element.
// Names of runs are typed by people: they only ever become textContent.

const FONT = 0.83; // of the page's letters: 14 px beside 17
const THIN = [4, 4]; // px of a dash and a gap of a curve beside another one
const NEAR_MARK = 8; // px from a mark, within which the pointer shows its text

export default function (component) {
  const root = component.parentElement.querySelector(".live-chart");
  if (!root.chart) root.chart = build(root);
  const chart = root.chart;
  if (chart.data && chart.data.about !== component.data.about) {
    chart.zoom = null; // another run: what was looked at closely is not there
    chart.hidden.clear();
  }
  chart.data = component.data;
  stand(chart);
  updateLegend(chart);
  draw(chart);
  // Streamlit also calls this when newer data overtook this call: only a chart that has left the page is taken down.
  return () => { if (!root.isConnected) chart.observer.disconnect(); };
}

function build(root) {
  root.replaceChildren();
  const legend = element("div", "legend", root);
  const plot = element("div", "plot", root);
  const canvas = element("canvas", "", plot);
  const tip = element("div", "tip", plot);
  tip.hidden = true;
  const reset = element("button", "reset", plot);
  reset.type = "button";
  reset.textContent = "Reset zoom";
  canvas.setAttribute("role", "img");
  canvas.tabIndex = 0;
  const chart = { root, legend, canvas, tip, reset, hidden: new Set(), zoom: null, drag: null, hover: null, data: null, keys: "" };
  chart.observer = new ResizeObserver(() => draw(chart));
  chart.observer.observe(plot);
  reset.onclick = () => resetZoom(chart);
  listen(chart);
  return chart;
}

function stand(chart) {
  // A number is the plot's height in pixels; a text is a CSS length, of the plot and its legend together.
  const { height } = chart.data;
  const fills = typeof height === "string";
  chart.root.classList.toggle("fills", fills);
  chart.root.style.height = fills ? height : "";
  chart.canvas.parentElement.style.height = fills ? "" : `${height}px`;
}

function element(tag, className, parent) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (parent) parent.appendChild(node);
  return node;
}

// ---- interaction -------------------------------------------------------------------------------------------------------

function listen(chart) {
  const { canvas } = chart;
  const at = (event) => event.clientX - canvas.getBoundingClientRect().left;
  canvas.addEventListener("pointerdown", (event) => {
    chart.hover = at(event);
    if (event.pointerType === "mouse" && event.button === 0) {
      chart.drag = { from: at(event), to: at(event) };
      canvas.setPointerCapture(event.pointerId);
    }
    draw(chart);
  });
  canvas.addEventListener("pointermove", (event) => {
    chart.hover = at(event);
    if (chart.drag) chart.drag.to = at(event);
    draw(chart);
  });
  canvas.addEventListener("pointerup", () => { finishDrag(chart); draw(chart); });
  canvas.addEventListener("pointercancel", () => { chart.drag = null; chart.hover = null; draw(chart); });
  canvas.addEventListener("pointerleave", () => { if (!chart.drag) { chart.hover = null; draw(chart); } });
  canvas.addEventListener("dblclick", () => resetZoom(chart));
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -12, ArrowRight: 12 }[event.key];
    if (event.key === "Escape" && chart.zoom) {
      event.stopPropagation(); // the page has a use of its own for it
      resetZoom(chart);
    }
    if (!step || !chart.scale) return;
    const { left, right } = chart.scale;
    chart.hover = Math.min(Math.max((chart.hover ?? right) + step, left), right);
    event.preventDefault();
    draw(chart);
  });
  canvas.addEventListener("blur", () => { chart.hover = null; draw(chart); });
}

function finishDrag(chart) {
  const drag = chart.drag;
  chart.drag = null;
  if (!drag || !chart.scale || Math.abs(drag.to - drag.from) < 8) return;
  const { xAt, x0, x1 } = chart.scale;
  const ends = [xAt(drag.from), xAt(drag.to)].map((x) => Math.min(Math.max(x, x0), x1)).sort((a, b) => a - b);
  if (ends[1] > ends[0]) chart.zoom = ends;
  updateLegend(chart);
}

function resetZoom(chart) {
  chart.zoom = null;
  updateLegend(chart);
  draw(chart);
}

function updateLegend(chart) {
  const series = chart.data.series.filter((s) => !s.of);
  const keys = JSON.stringify(series.map((s) => [s.name, s.colour, s.dash]));
  if (keys !== chart.keys) {
    chart.keys = keys;
    const held = chart.root.getRootNode().activeElement;
    const focused = [...chart.legend.children].indexOf(held);
    chart.legend.replaceChildren(...series.map((s) => legendKey(chart, s)));
    chart.legend.classList.toggle("single", series.length < 2);
    if (focused >= 0 && chart.legend.children[focused]) chart.legend.children[focused].focus();
  }
  [...chart.legend.querySelectorAll(".key")].forEach((key, i) => {
    key.setAttribute("aria-pressed", String(!chart.hidden.has(series[i].name)));
  });
  chart.reset.hidden = !chart.zoom;
}

function legendKey(chart, one) {
  const key = element("button", "key");
  key.type = "button";
  key.title = "Show or hide this curve";
  const swatch = element("span", one.dash ? "swatch dash" : "swatch", key);
  swatch.style.borderTopColor = one.colour;
  element("span", "", key).textContent = one.name;
  key.onclick = () => {
    if (!chart.hidden.delete(one.name)) chart.hidden.add(one.name);
    updateLegend(chart);
    draw(chart);
  };
  return key;
}

// ---- scales ------------------------------------------------------------------------------------------------------------

function visible(chart) {
  return chart.data.series.filter((s) => !chart.hidden.has(s.of || s.name) && s.x.length);
}

function xDomain(chart, series) {
  if (chart.zoom) return chart.zoom;
  const lows = series.map((s) => s.x[0]);
  const highs = series.map((s) => s.x[s.x.length - 1]);
  const low = lows.length ? Math.min(...lows, 0) : 0;
  const high = Math.max(...highs, chart.data.budget ?? -Infinity);
  return Number.isFinite(high) && high > low ? [low, high] : [low, low + 1];
}

function yDomain(chart, series, [x0, x1]) {
  if (chart.data.yRange) return chart.data.yRange;
  let low = Infinity;
  let high = -Infinity;
  for (const s of series) {
    s.x.forEach((x, i) => {
      const y = s.y[i];
      if (x < x0 || x > x1 || y === null) return;
      low = Math.min(low, y);
      high = Math.max(high, y);
    });
  }
  if (!Number.isFinite(low)) return [0, 1];
  const pad = (high - low || Math.abs(high) || 1) * 0.06;
  return [low >= 0 ? Math.max(0, low - pad) : low - pad, high + pad];
}

function ticks(low, high, count) {
  const raw = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = [1, 2, 2.5, 5, 10].find((m) => m * power >= raw * 0.999);
  const step = factor * power;
  const out = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) out.push(k * step);
  return { values: out, digits: Math.max(0, (factor === 2.5 ? 1 : 0) - Math.floor(Math.log10(step) + 1e-9)) };
}

function format(value, digits, kind) {
  if (kind === "percent") return `${(value * 100).toFixed(Math.max(0, digits - 2))}%`;
  if (Math.abs(value) >= 1e6) return `${+(value / 1e6).toPrecision(4)}M`;
  if (Math.abs(value) >= 1e4) return `${+(value / 1e3).toPrecision(4)}k`;
  return value.toFixed(digits);
}

// ---- drawing -----------------------------------------------------------------------------------------------------------

function draw(chart) {
  if (!chart.data) return;
  const { canvas, data } = chart;
  const width = canvas.parentElement.clientWidth;
  const height = canvas.parentElement.clientHeight;
  if (!width || !height) return;
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  const look = theme(chart.root);
  ctx.font = `${look.size}px ${look.font}`;
  const series = visible(chart);
  const scale = (chart.scale = makeScale(chart, ctx, series, look.size, width, height));
  drawAxes(ctx, scale, data, look, width);
  nameCompanions(ctx, data, series, width);
  ctx.save();
  ctx.beginPath();
  ctx.rect(scale.left - 2, 0, scale.right - scale.left + 8, scale.bottom + 3);
  ctx.clip();
  for (const s of series) drawBand(ctx, s, scale);
  for (const level of data.levels) drawLevel(ctx, level, scale, look);
  for (const s of series) drawSeries(ctx, s, scale);
  ctx.restore();
  if (!series.length) drawEmpty(ctx, scale, look);
  drawMarks(ctx, data.marks, scale, look);
  drawDrag(ctx, chart, scale, look);
  drawHover(ctx, chart, series, scale, look, width);
  canvas.setAttribute("aria-label", describe(data, series));
}

function theme(root) {
  const style = getComputedStyle(root);
  const read = (name, other) => style.getPropertyValue(name).trim() || other;
  return {
    text: style.color,
    font: style.fontFamily,
    size: Math.round(parseFloat(getComputedStyle(document.documentElement).fontSize) * FONT), // px
    primary: read("--st-primary-color", "#0072b2"),
    background: read("--st-background-color", "#ffffff"),
    rule: "rgba(128,132,142,0.28)",
  };
}

function makeScale(chart, ctx, series, size, width, height) {
  const kind = chart.data.yFormat;
  const [x0, x1] = xDomain(chart, series);
  const [y0, y1] = yDomain(chart, series, [x0, x1]);
  const top = size + 14;
  const bottom = height - size - 12;
  const yTicks = ticks(y0, y1, Math.min(Math.max(2, Math.floor((bottom - top) / (1.8 * size))), 6));
  const labels = yTicks.values.map((v) => format(v, yTicks.digits, kind));
  const left = Math.ceil(Math.max(24, ...labels.map((l) => ctx.measureText(l).width))) + 10;
  const right = width - 10;
  const xTicks = ticks(x0, x1, Math.max(2, Math.floor((right - left) / 90)));
  return {
    x0, x1, y0, y1, left, right, top, bottom, xTicks, yTicks, labels,
    px: (x) => left + ((x - x0) / (x1 - x0)) * (right - left),
    py: (y) => bottom - ((y - y0) / (y1 - y0)) * (bottom - top),
    xAt: (px) => x0 + ((px - left) / (right - left)) * (x1 - x0),
  };
}

function drawAxes(ctx, scale, data, look, width) {
  ctx.fillStyle = look.text;
  ctx.strokeStyle = look.rule;
  ctx.lineWidth = 1;
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  scale.yTicks.values.forEach((v, i) => {
    const y = Math.round(scale.py(v)) + 0.5;
    line(ctx, scale.left, y, scale.right, y);
    ctx.fillText(scale.labels[i], scale.left - 8, y);
  });
  line(ctx, scale.left, scale.bottom + 0.5, scale.right, scale.bottom + 0.5);
  ctx.textBaseline = "top";
  let free = width; // the last number also names the axis; those that it would touch are left out
  for (const [i, v] of [...scale.xTicks.values.entries()].reverse()) {
    const number = format(v, scale.xTicks.digits, "number");
    const text = i === scale.xTicks.values.length - 1 ? `${number} ${data.xLabel}` : number;
    const half = ctx.measureText(text).width / 2;
    const centre = Math.min(scale.px(v), width - half - 1);
    if (centre + half > free) continue;
    free = centre - half - 24;
    ctx.textAlign = "center";
    ctx.fillText(text, centre, scale.bottom + 7);
  }
  ctx.textAlign = "left";
  ctx.fillText(data.yLabel, 0, 1);
}

function nameCompanions(ctx, data, series, width) {
  // In the row of the axis's name, so that the legend takes no height of its own; where the row is too narrow, the pointer says it.
  let from = ctx.measureText(data.yLabel).width + 18;
  for (const s of series.filter((one) => one.of)) {
    const wide = 28 + ctx.measureText(s.name).width;
    if (from + wide > width) return;
    const middle = Math.round(parseFloat(ctx.font) / 2) + 1.5;
    ctx.strokeStyle = s.colour;
    ctx.lineWidth = 1.5;
    ctx.setLineDash(THIN);
    line(ctx, from, middle, from + 22, middle);
    ctx.setLineDash([]);
    ctx.fillText(s.name, from + 28, 1);
    from += wide + 18;
  }
}

function line(ctx, x0, y0, x1, y1) {
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.stroke();
}

function drawSeries(ctx, s, scale) {
  ctx.lineJoin = ctx.lineCap = "round";
  ctx.strokeStyle = ctx.fillStyle = s.colour;
  if (s.smooth) {
    ctx.globalAlpha = 0.38;
    trace(ctx, s.x, s.y, scale, 1, []);
    ctx.globalAlpha = 1;
  }
  const main = s.smooth ?? s.y;
  if (s.of) {
    trace(ctx, s.x, main, scale, 1.5, THIN);
    const end = s.x.length - 1;
    if (main[end] !== null) dot(ctx, scale.px(s.x[end]), scale.py(main[end]), 2.5);
    return;
  }
  trace(ctx, s.x, main, scale, 2.75, s.dash ? [7, 6] : []);
  if (s.dots) s.x.forEach((x, i) => main[i] !== null && dot(ctx, scale.px(x), scale.py(main[i]), 3.5));
  const last = s.x.length - 1;
  if (!s.dash && main[last] !== null) dot(ctx, scale.px(s.x[last]), scale.py(main[last]), 5);
}

function drawBand(ctx, s, scale) {
  if (!s.low || !s.high) return;
  ctx.globalAlpha = 0.2;
  ctx.fillStyle = s.colour;
  ctx.beginPath();
  s.x.forEach((x, i) => ctx.lineTo(scale.px(x), scale.py(s.high[i])));
  for (let i = s.x.length - 1; i >= 0; i--) ctx.lineTo(scale.px(s.x[i]), scale.py(s.low[i]));
  ctx.fill();
  ctx.globalAlpha = 1;
}

function drawLevel(ctx, level, scale, look) {
  const y = Math.round(scale.py(level.y)) + 0.5;
  ctx.strokeStyle = level.colour || look.text;
  ctx.fillStyle = look.text;
  ctx.lineWidth = level.colour ? 2 : 1.5;
  ctx.setLineDash([2, 5]);
  line(ctx, scale.left, y, scale.right, y);
  ctx.setLineDash([]);
  const at = { left: scale.left + 6, middle: (scale.left + scale.right) / 2, right: scale.right - 4 };
  ctx.textAlign = level.place === "middle" ? "center" : level.place;
  ctx.textBaseline = "bottom";
  ctx.fillText(level.name, at[level.place], y - 3);
}

function drawMarks(ctx, marks, scale, look) {
  const shown = visibleMarks(marks, scale);
  ctx.lineWidth = 1;
  ctx.globalAlpha = 0.75;
  ctx.setLineDash([4, 3]);
  for (const mark of shown) {
    const x = Math.round(scale.px(mark.x)) + 0.5;
    ctx.strokeStyle = mark.colour || look.text;
    line(ctx, x, scale.top, x, scale.bottom);
  }
  ctx.setLineDash([]);
  ctx.globalAlpha = 1;
  labelMarks(ctx, shown.filter((mark) => mark.label), scale, look);
}

function labelMarks(ctx, marks, scale, look) {
  // The labels stand in two rows at the top; one that finds no room in either is only under the pointer.
  const size = parseFloat(ctx.font);
  const ends = [scale.left, scale.left];
  ctx.textAlign = "left";
  ctx.textBaseline = "top";
  for (const mark of marks) {
    const wide = ctx.measureText(mark.label).width + 6;
    const from = Math.min(scale.px(mark.x) + 2, scale.right - wide);
    const row = ends.findIndex((end) => from >= end);
    if (row < 0) continue;
    ends[row] = from + wide + 4;
    const y = scale.top + row * (size + 4);
    ctx.fillStyle = look.background;
    ctx.fillRect(from, y, wide, size + 3);
    ctx.fillStyle = look.text;
    ctx.fillText(mark.label, from + 3, y + 2);
  }
}

function visibleMarks(marks, scale) {
  return marks.filter((mark) => mark.x >= scale.x0 && mark.x <= scale.x1).sort((a, b) => a.x - b.x);
}

function trace(ctx, xs, ys, scale, width, dash) {
  ctx.lineWidth = width;
  ctx.setLineDash(dash);
  ctx.beginPath();
  let pen = false;
  xs.forEach((x, i) => {
    if (ys[i] === null || x === null) { pen = false; return; }
    if (pen) ctx.lineTo(scale.px(x), scale.py(ys[i]));
    else ctx.moveTo(scale.px(x), scale.py(ys[i]));
    pen = true;
  });
  ctx.stroke();
  ctx.setLineDash([]);
}

function dot(ctx, x, y, radius) {
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, 2 * Math.PI);
  ctx.fill();
}

function drawEmpty(ctx, scale, look) {
  ctx.fillStyle = look.text;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillText("The first point is on its way", (scale.left + scale.right) / 2, (scale.top + scale.bottom) / 2);
}

function drawDrag(ctx, chart, scale, look) {
  if (!chart.drag) return;
  const clamp = (x) => Math.min(Math.max(x, scale.left), scale.right);
  const [a, b] = [clamp(chart.drag.from), clamp(chart.drag.to)];
  ctx.globalAlpha = 0.16;
  ctx.fillStyle = look.primary;
  ctx.fillRect(Math.min(a, b), scale.top, Math.abs(b - a), scale.bottom - scale.top);
  ctx.globalAlpha = 1;
}

function nearest(xs, x) {
  let low = 0;
  let high = xs.length - 1;
  while (high - low > 1) {
    const mid = (low + high) >> 1;
    if (xs[mid] < x) low = mid;
    else high = mid;
  }
  return x - xs[low] < xs[high] - x ? low : high;
}

function drawHover(ctx, chart, series, scale, look, width) {
  const { tip, hover } = chart;
  const inside = hover !== null && hover >= scale.left && hover <= scale.right && series.length && !chart.drag;
  tip.hidden = !inside;
  if (!inside) return;
  const x = scale.xAt(hover);
  ctx.strokeStyle = look.text;
  ctx.globalAlpha = 0.45;
  ctx.lineWidth = 1;
  line(ctx, Math.round(hover) + 0.5, scale.top, Math.round(hover) + 0.5, scale.bottom);
  ctx.globalAlpha = 1;
  tip.replaceChildren();
  element("div", "", tip).textContent = `${format(x, scale.xTicks.digits + 1, "number")} ${chart.data.xLabel}`;
  for (const mark of visibleMarks(chart.data.marks, scale)) {
    if (Math.abs(scale.px(mark.x) - hover) <= NEAR_MARK) element("div", "mark", tip).textContent = mark.text;
  }
  for (const s of series) {
    const i = nearest(s.x, x);
    const y = (s.smooth ?? s.y)[i];
    const slack = (scale.x1 - scale.x0) * 0.02;
    const over = x < s.x[0] - slack || x > s.x[s.x.length - 1] + slack; // the curve does not reach here
    if (y === null || over || s.x[i] < scale.x0 || s.x[i] > scale.x1) continue;
    ctx.fillStyle = s.colour;
    dot(ctx, scale.px(s.x[i]), scale.py(y), 5);
    const row = element("div", "row", tip);
    element("i", "", row).style.background = s.colour;
    element("span", "", row).textContent = s.name;
    const range = s.low ? ` (${format(s.low[i], 3, chart.data.yFormat)} to ${format(s.high[i], 3, chart.data.yFormat)})` : "";
    element("b", "", row).textContent = format(y, 3, chart.data.yFormat) + range;
  }
  const left = hover + 14 + tip.offsetWidth > width ? hover - tip.offsetWidth - 14 : hover + 14;
  tip.style.transform = `translate(${Math.max(0, left)}px, ${scale.top}px)`;
}

function describe(data, series) {
  const parts = series.map((s) => {
    const last = s.x.length - 1;
    const y = (s.smooth ?? s.y)[last];
    return `${s.name}: ${y === null ? "not a number" : format(y, 3, data.yFormat)} at ${s.x[last]}`;
  });
  const marks = data.marks.map((mark) => ` Marked: ${mark.text}.`).join("");
  const levels = data.levels.map((level) => ` ${level.name}: ${format(level.y, 3, data.yFormat)}.`).join("");
  return `${data.yLabel} against ${data.xLabel}. ${parts.join("; ") || "No points yet"}.${levels}${marks}`;
}
