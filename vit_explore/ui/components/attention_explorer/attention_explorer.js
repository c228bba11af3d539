// One big picture with the attention from the patch under the pointer, and beside it every head of every layer, all
// redrawn in the browser. A click pins; only then does Python hear of it. State lives on the element, built once.

const NARROW = 640; // px: below it the pieces stack
const PIN = "#56B4E9";
const INFERNO = [
  [0, 0, 4], [27, 12, 65], [74, 12, 107], [120, 28, 109], [165, 44, 96],
  [207, 68, 70], [237, 105, 37], [251, 155, 6], [247, 209, 61], [252, 255, 164],
];
const ALPHA = [0.45, 0.88]; // what is ignored goes dark, what is looked at glows; the same as in the figures
const EVEN = 1.5; // the largest weight over the mean: below it a map is bright all over, and says nothing
const EVENLY = "It is spread almost evenly. ";
const LUT = ramp();

export default function (component) {
  const root = component.parentElement.querySelector(".explorer");
  if (!root.explorer) root.explorer = build(root);
  const ex = root.explorer;
  ex.send = (view) => component.setStateValue("view", view);
  take(ex, component.data);
  render(ex);
  // Streamlit also calls this when newer data overtook this call: only what has left the page is taken down.
  return () => { if (!root.isConnected) { ex.observer.disconnect(); clearTimeout(ex.timer); } };
}

// ---- data --------------------------------------------------------------------------------------------------------------

function take(ex, data) {
  const same = ex.data && ["weights", "tops", "image"].every((part) => ex.data[part] === data[part]);
  ex.data = data;
  if (!same) {
    ex.weights = bytes(data.weights);
    ex.thumbs = bytes(data.thumbs);
    ex.scales = new Float32Array(bytes(data.scales).buffer);
    ex.tops = new Float32Array(bytes(data.tops).buffer);
    loadPicture(ex, data.image);
  }
  // Python says where to look, once it has heard where the person went last; until then the person's own place holds.
  const follows = !ex.view || (data.heard >= ex.sent && !ex.timer);
  if (follows) ex.view = { ...data.view };
  const { layers, heads, grid } = data;
  ex.view.layer = Math.min(ex.view.layer, layers - 1);
  if (ex.view.head !== null && ex.view.head >= heads) ex.view.head = null;
  if (ex.view.patch !== null && ex.view.patch >= grid[0] * grid[1]) ex.view.patch = null;
  if (follows) ex.chosen.clear();
}

function bytes(text) {
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

function loadPicture(ex, png) {
  const picture = new Image();
  picture.onload = () => {
    if (ex.data.image !== png) return;
    ex.picture = greyed(picture);
    render(ex);
  };
  picture.src = `data:image/png;base64,${png}`;
}

// Most of the colour taken out, so that the heat is the only strong colour.
function greyed(picture) {
  const canvas = document.createElement("canvas");
  canvas.width = picture.naturalWidth;
  canvas.height = picture.naturalHeight;
  const ctx = canvas.getContext("2d");
  ctx.drawImage(picture, 0, 0);
  const pixels = ctx.getImageData(0, 0, canvas.width, canvas.height);
  const p = pixels.data;
  for (let i = 0; i < p.length; i += 4) {
    const luma = 0.75 * (0.299 * p[i] + 0.587 * p[i + 1] + 0.114 * p[i + 2]);
    for (let c = 0; c < 3; c++) p[i + c] = luma + 0.25 * p[i + c];
  }
  ctx.putImageData(pixels, 0, 0);
  return canvas;
}

// The weights from `patch` (null: class token) in one head (null: mean) of a layer; null where the layer was not sent.
function row(ex, layer, head, patch) {
  const { grid, heads, firstLayer, sentLayers } = ex.data;
  const n = grid[0] * grid[1];
  const l = layer - firstLayer;
  if (l < 0 || l >= sentLayers) return null;
  const query = patch === null ? n : patch;
  const out = new Float32Array(n);
  const chosen = head === null ? [...Array(heads).keys()] : [head];
  for (const h of chosen) {
    const at = (l * heads + h) * (n + 1) + query;
    const unit = ex.scales[at] / 255 / chosen.length;
    for (let i = 0; i < n; i++) out[i] += ex.weights[at * n + i] * unit;
  }
  return out;
}

// The end of the colours of one map: the largest weight from this place, here and in the model beside it.
function topOf(ex, layer, head, patch) {
  const { grid, heads, firstLayer } = ex.data;
  const n = grid[0] * grid[1];
  return ex.tops[((layer - firstLayer) * (heads + 1) + (head ?? heads)) * (n + 1) + (patch === null ? n : patch)];
}

// The same for all small maps together: the median of their largest weights, so that one peak does not darken the rest.
function topOfAll(ex) {
  const { heads, firstLayer, sentLayers } = ex.data;
  const all = [];
  for (let l = firstLayer; l < firstLayer + sentLayers; l++) {
    for (let h = 0; h < heads; h++) all.push(topOf(ex, l, h, query(ex)));
  }
  return all.sort((a, b) => a - b)[all.length >> 1];
}

// Small maps follow the pointer too; a layer that was not sent shows the class token's view.
function thumb(ex, layer, head) {
  const live = row(ex, layer, head, query(ex));
  if (live) return live;
  const n = ex.data.grid[0] * ex.data.grid[1];
  const at = (layer * (ex.data.heads + 1) + (head ?? ex.data.heads)) * n;
  return ex.thumbs.subarray(at, at + n);
}

const query = (ex) => (ex.hover === null ? ex.view.patch : ex.hover);

// ---- the page ----------------------------------------------------------------------------------------------------------

function build(root) {
  root.replaceChildren();
  const left = element("div", "stage", root);
  const caption = element("p", "caption", left);
  caption.setAttribute("aria-live", "polite");
  const map = element("canvas", "map", left);
  map.tabIndex = 0;
  map.setAttribute("role", "application");
  map.setAttribute("aria-label", "Attention map: the arrow keys move the chosen patch, Escape chooses the class token");
  const scale = element("div", "scale", left);
  element("span", "", scale).textContent = "0";
  element("div", "ramp", scale).style.background = `linear-gradient(90deg, ${INFERNO.map((c) => `rgb(${c})`).join()})`;
  const top = element("span", "", scale);
  const controls = element("div", "controls", left);
  const token = button(controls);
  const mean = button(controls, "Mean of heads");
  const own = button(controls, "Own colour scale");
  own.title = "Each map from 0 to its own largest weight, in place of one scale for all that are shown";
  const label = element("label", "", controls);
  label.append("Heat");
  const opacity = element("input", "", label);
  Object.assign(opacity, { type: "range", min: 0, max: 100, value: 100 });
  const right = element("div", "side", root);
  element("p", "caption", right).textContent = "Every head, from the same place. Click one to enlarge it.";
  const heads = element("canvas", "heads", right);
  heads.tabIndex = 0;
  heads.setAttribute("role", "application");
  heads.setAttribute("aria-label", "All heads of all layers: the arrow keys move the choice");
  const hint = element("p", "hint", right);
  const ex = { root, caption, hint, map, top, token, mean, own, ownScale: false, opacity, heads, hover: null, view: null, chosen: new Set(), data: null, picture: null, sent: 0 };
  ex.heat = document.createElement("canvas");
  ex.observer = new ResizeObserver(() => render(ex));
  ex.observer.observe(root);
  listen(ex);
  return ex;
}

function element(tag, className, parent) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  parent.appendChild(node);
  return node;
}

function button(parent, text = "") {
  const node = element("button", "", parent);
  node.type = "button";
  node.textContent = text;
  return node;
}

function listen(ex) {
  const { map, heads } = ex;
  map.addEventListener("pointermove", (event) => {
    const patch = patchAt(ex, event);
    if (patch === ex.hover) return;
    ex.hover = patch;
    cancelAnimationFrame(ex.frame);
    ex.frame = requestAnimationFrame(() => render(ex));
  });
  map.addEventListener("pointerleave", () => { ex.hover = null; render(ex); });
  map.addEventListener("pointercancel", () => { ex.hover = null; render(ex); });
  map.addEventListener("click", (event) => change(ex, { patch: patchAt(ex, event) }));
  map.addEventListener("keydown", (event) => moveKey(ex, event, movePatch));
  heads.addEventListener("click", (event) => {
    const choice = headAt(ex, event);
    if (choice) change(ex, choice);
  });
  heads.addEventListener("keydown", (event) => moveKey(ex, event, moveHead));
  ex.token.onclick = () => change(ex, { patch: null });
  ex.mean.onclick = () => change(ex, { head: ex.view.head === null ? 0 : null });
  ex.own.onclick = () => { ex.ownScale = !ex.ownScale; render(ex); };
  ex.opacity.oninput = () => render(ex);
}

// Shown at once; Python is told a moment later, so that a held arrow key is one rerun and not thirty. `sent` makes each
// report a new one: after Back, the same choice is a choice again. `chosen` are the parts that the person
// changed since Python answered: of two explorers side by side, one may not know yet where the other has gone.
function change(ex, part) {
  for (const [name, value] of Object.entries(part)) if (ex.view[name] !== value) ex.chosen.add(name);
  Object.assign(ex.view, part);
  ex.hover = null;
  render(ex);
  clearTimeout(ex.timer);
  ex.timer = setTimeout(() => {
    ex.timer = null;
    ex.sent = Date.now();
    ex.send({ ...ex.view, sent: ex.sent, chosen: [...ex.chosen] });
  }, 200);
}

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function moveKey(ex, event, move) {
  if (event.key === "Escape") change(ex, { patch: null });
  else if (STEPS[event.key]) change(ex, move(ex, ...STEPS[event.key]));
  else return;
  event.preventDefault();
}

const within = (value, size) => Math.min(Math.max(value, 0), size - 1);

function movePatch(ex, down, right) {
  const [gh, gw] = ex.data.grid;
  if (ex.view.patch === null) return { patch: (gh >> 1) * gw + (gw >> 1) };
  const r = within(Math.floor(ex.view.patch / gw) + down, gh);
  return { patch: r * gw + within((ex.view.patch % gw) + right, gw) };
}

function moveHead(ex, down, right) {
  const head = within((ex.view.head ?? ex.data.heads) + down, ex.data.heads + 1);
  return { layer: within(ex.view.layer + right, ex.data.layers), head: head === ex.data.heads ? null : head };
}

function patchAt(ex, event) {
  const box = ex.map.getBoundingClientRect();
  const [gh, gw] = ex.data.grid;
  const c = within(Math.floor(((event.clientX - box.left) / box.width) * gw), gw);
  return within(Math.floor(((event.clientY - box.top) / box.height) * gh), gh) * gw + c;
}

function headAt(ex, event) {
  const box = ex.heads.getBoundingClientRect();
  const g = ex.tiles;
  const layer = Math.floor((event.clientX - box.left - g.left) / g.stepX);
  const head = Math.floor((event.clientY - box.top - g.top) / g.stepY);
  if (layer < 0 || layer >= ex.data.layers || head < 0 || head > ex.data.heads) return null;
  return { layer, head: head === ex.data.heads ? null : head };
}

// ---- drawing -----------------------------------------------------------------------------------------------------------

function ramp() {
  const lut = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i++) {
    const t = (i / 255) * (INFERNO.length - 1);
    const k = Math.min(Math.floor(t), INFERNO.length - 2);
    for (let c = 0; c < 3; c++) lut[i * 3 + c] = INFERNO[k][c] + (t - k) * (INFERNO[k + 1][c] - INFERNO[k][c]);
  }
  return lut;
}

function render(ex) {
  if (!ex.data || !ex.root.clientWidth) return;
  ex.root.classList.toggle("narrow", ex.root.clientWidth < NARROW);
  const values = row(ex, ex.view.layer, ex.view.head, query(ex)); // null while Python sends another layer
  drawMap(ex, values);
  drawHeads(ex);
  describe(ex, values);
}

function fit(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.height = `${height}px`;
  }
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  return ctx;
}

// Paint values, 0 to `top` (none: their maximum), into the small canvas of one pixel a patch; `strength` 0..1 scales the
// opacity.
function paint(ex, values, top, opaque, strength) {
  const [gh, gw] = ex.data.grid;
  if (ex.heat.width !== gw || ex.heat.height !== gh) { ex.heat.width = gw; ex.heat.height = gh; }
  const ctx = ex.heat.getContext("2d");
  const pixels = ctx.createImageData(gw, gh);
  const max = top || Math.max(...values);
  for (let i = 0; i < values.length; i++) {
    const unit = max ? Math.min(values[i] / max, 1) : 0;
    const k = Math.round(unit * 255);
    pixels.data[i * 4] = LUT[k * 3];
    pixels.data[i * 4 + 1] = LUT[k * 3 + 1];
    pixels.data[i * 4 + 2] = LUT[k * 3 + 2];
    pixels.data[i * 4 + 3] = opaque ? 255 : 255 * strength * (ALPHA[0] + (ALPHA[1] - ALPHA[0]) * unit);
  }
  ctx.putImageData(pixels, 0, 0);
  return ex.heat;
}

function drawMap(ex, values) {
  const [gh, gw] = ex.data.grid;
  const width = ex.map.parentElement.clientWidth;
  const height = Math.round((width * gh) / gw);
  const ctx = fit(ex.map, width, height);
  if (ex.picture) {
    ctx.imageSmoothingEnabled = ex.picture.width > 64;
    ctx.drawImage(ex.picture, 0, 0, width, height);
  }
  ctx.imageSmoothingEnabled = false;
  if (values) ctx.drawImage(paint(ex, values, topShown(ex), false, ex.opacity.value / 100), 0, 0, width, height);
  const [cw, ch] = [width / gw, height / gh];
  if (ex.view.patch !== null) outline(ctx, ex.view.patch, gw, cw, ch, PIN, 4);
  if (ex.hover !== null && ex.hover !== ex.view.patch) outline(ctx, ex.hover, gw, cw, ch, "#ffffff", 2.5);
}

const topShown = (ex) => (ex.ownScale ? null : topOf(ex, ex.view.layer, ex.view.head, query(ex)));

function outline(ctx, patch, gw, cw, ch, colour, width) {
  const [x, y] = [(patch % gw) * cw, Math.floor(patch / gw) * ch];
  ctx.lineWidth = width + 3;
  ctx.strokeStyle = "rgba(0,0,0,0.75)";
  ctx.strokeRect(x, y, cw, ch);
  ctx.lineWidth = width;
  ctx.strokeStyle = colour;
  ctx.strokeRect(x, y, cw, ch);
}

function drawHeads(ex) {
  const { layers, heads, grid } = ex.data;
  const look = getComputedStyle(ex.root);
  const width = ex.heads.parentElement.clientWidth;
  const [left, top] = [56, 24];
  const stepX = Math.min((width - left) / layers, 96);
  const gap = stepX > 30 ? 5 : 2;
  const tile = stepX - gap;
  const stepY = (tile * grid[0]) / grid[1] + gap;
  ex.tiles = { left, top, stepX, stepY };
  const ctx = fit(ex.heads, width, Math.ceil(top + (heads + 1) * stepY + 2));
  ctx.imageSmoothingEnabled = false;
  ctx.font = `14px ${look.fontFamily}`;
  ctx.fillStyle = look.color;
  ctx.textBaseline = "middle";
  const every = stepX > 20 ? 1 : 3;
  const common = ex.ownScale || ex.data.sentLayers < layers ? null : topOfAll(ex);
  for (let l = 0; l < layers; l++) {
    ctx.textAlign = "center";
    if (l % every === 0) ctx.fillText(l + 1, left + l * stepX + tile / 2, top / 2);
    for (let h = 0; h <= heads; h++) {
      const values = thumb(ex, l, h === heads ? null : h);
      ctx.drawImage(paint(ex, values, common, true, 1), left + l * stepX, top + h * stepY, tile, stepY - gap);
    }
  }
  ctx.textAlign = "right";
  ctx.fillText("layer", left - 8, top / 2);
  for (let h = 0; h < heads; h++) ctx.fillText(h ? h + 1 : "head 1", left - 8, top + h * stepY + tile / 2);
  ctx.fillText("mean", left - 8, top + heads * stepY + (stepY - gap) / 2);
  const head = ex.view.head ?? heads;
  ctx.lineWidth = 3;
  ctx.strokeStyle = PIN;
  ctx.strokeRect(left + ex.view.layer * stepX - 2, top + head * stepY - 2, tile + 4, stepY - gap + 4);
}

const origin = (data) => (data.classToken ? "the class token" : "all patches (mean)");

function say(caption, layer, head, place, rest) {
  const strong = document.createElement("strong");
  strong.textContent = `Layer ${layer + 1}, ${head === null ? "mean of the heads" : `head ${head + 1}`}`;
  caption.replaceChildren(strong, ` – attention from ${place}. ${rest}`);
}

const patchPlace = (patch, gw) => `the patch in row ${Math.floor(patch / gw) + 1}, column ${(patch % gw) + 1}`;

// Room for the longest sentence that there may be, so that the map does not move under the pointer.
function reserve(ex) {
  const { data, caption } = ex;
  const [gh, gw] = data.grid;
  const room = [caption.clientWidth, gh, gw, data.layers, data.prefix].join();
  if (ex.room === room) return;
  ex.room = room;
  const probe = element("p", "caption", caption.parentElement);
  probe.style.cssText = `position: absolute; visibility: hidden; min-height: 0; width: ${caption.clientWidth}px`;
  say(probe, data.layers - 1, null, patchPlace(gh * gw - 1, gw), `${EVENLY}${prefixShare(data, 0.999)}`);
  caption.style.minHeight = `${Math.ceil(probe.getBoundingClientRect().height)}px`;
  probe.remove();
}

function describe(ex, values) {
  const { view, data } = ex;
  const from = query(ex);
  const token = origin(data);
  const place = from === null ? token : patchPlace(from, data.grid[1]);
  reserve(ex);
  say(ex.caption, view.layer, view.head, place, values ? shares(values, data) : "Loading this layer…");
  const isOwn = ex.ownScale || data.sentLayers < data.layers;
  const own = isOwn
    ? "Each small map runs from 0 to its own maximum."
    : `One scale for all small maps: the brightest colour is ${topOfAll(ex).toFixed(3)} or more.`;
  const part = ` Layers other than ${data.firstLayer + 1} show ${token}; choose one to load it.`;
  ex.hint.textContent = data.sentLayers < data.layers ? own + part : own;
  ex.top.textContent = values ? (topShown(ex) ?? Math.max(...values)).toFixed(3) : "";
  ex.own.setAttribute("aria-pressed", String(ex.ownScale));
  ex.token.textContent = data.classToken ? "From the class token" : "From all patches";
  ex.token.setAttribute("aria-pressed", String(view.patch === null));
  ex.mean.setAttribute("aria-pressed", String(view.head === null));
}

function shares(values, data) {
  const sum = values.reduce((a, b) => a + b, 0);
  const even = Math.max(...values) * values.length < EVEN * sum ? EVENLY : "";
  return even + prefixShare(data, Math.max(0, 1 - sum));
}

function prefixShare(data, rest) {
  if (!data.prefix) return "";
  return `${(rest * 100).toFixed(rest < 0.1 ? 1 : 0)} % of it goes to ${data.prefix}.`;
}
