// A film of panels: one play button and one slider move all of them together, in the browser, without a request.
// Pictures are made once, one node a frame, and only shown or hidden: nothing flickers. Names are typed by people: they
// only become text. `play` is all there is, so that the same code runs in the app and in an exported page.

export default function play({ parentElement, data }) {
  const SPEEDS = { slow: 2, normal: 5, fast: 12 }; // frames per second
  const SVG = "http://www.w3.org/2000/svg";
  const SHADES = ["var(--vit)", "var(--second)", "var(--third)", "var(--fourth)"];
  const root = parentElement.querySelector(".film");
  if (!root.film || root.film.id !== data.id) {
    if (root.film) root.film.stop();
    root.film = build();
  }
  const film = root.film;
  return () => { if (!root.isConnected) film.stop(); };

  function build() {
    root.replaceChildren();
    for (const [name, value] of Object.entries(data.colours)) root.style.setProperty(name, value);
    const last = data.steps.length - 1;
    const film = { id: data.id, frame: last, timer: null };
    const bar = node("div", "bar", root);
    const button = node("button", "go", bar);
    button.type = "button";
    const slider = node("input", "frames", bar);
    Object.assign(slider, { type: "range", min: 0, max: last, step: 1, value: last });
    slider.setAttribute("aria-label", "Snapshot");
    const said = node("output", "step", bar);
    const speeds = node("select", "speed", bar);
    speeds.setAttribute("aria-label", "Speed");
    for (const name of Object.keys(SPEEDS)) node("option", "", speeds).textContent = name;
    speeds.value = "normal";
    const grid = node("div", "panels", root);
    const drawers = data.panels.map((panel) => ({ pictures, dots, bars })[panel.kind](panel, grid));

    function show(frame) {
      film.frame = frame;
      root.dataset.frame = frame;
      slider.value = frame;
      const words = `Step ${data.steps[frame].toLocaleString("en")} of ${data.steps[last].toLocaleString("en")}`;
      said.textContent = words;
      slider.setAttribute("aria-valuetext", words);
      for (const draw of drawers) draw(frame);
    }
    function name(playing) {
      button.textContent = playing ? "❚❚" : "▶";
      button.setAttribute("aria-label", playing ? "Pause" : "Play");
      button.title = playing ? "Pause" : "Play all of it through the training";
    }
    film.stop = () => {
      clearInterval(film.timer);
      film.timer = null;
      name(false);
    };
    function start() {
      if (film.frame >= last) show(0);
      film.timer = setInterval(() => {
        if (!root.isConnected) return film.stop();
        show(film.frame + 1);
        if (film.frame >= last) film.stop();
      }, 1000 / SPEEDS[speeds.value]);
      name(true);
    }
    button.onclick = () => (film.timer ? film.stop() : start());
    slider.oninput = () => { film.stop(); show(Number(slider.value)); };
    speeds.onchange = () => { if (film.timer) { film.stop(); start(); } };
    name(false);
    show(last);
    return film;
  }

  function node(tag, className, parent, space) {
    const made = space ? document.createElementNS(space, tag) : document.createElement(tag);
    if (className) made.setAttribute("class", className);
    parent.appendChild(made);
    return made;
  }

  function section(panel, grid) {
    const box = node("section", `panel ${panel.name}`, grid);
    const head = node("h3", "", box);
    head.textContent = panel.title;
    const body = node("div", "body", box);
    node("p", "about", box).textContent = panel.about;
    return body;
  }

  // ---- pictures --------------------------------------------------------------------------------------------------------

  function pictures(panel, grid) {
    const body = section(panel, grid);
    const stack = node("div", "stack", body);
    stack.style.aspectRatio = `${panel.width} / ${panel.height}`;
    stack.style.maxWidth = `${(22 * panel.width) / panel.height}rem`; // not higher than a screen has room for
    if (panel.labels.length) labels(panel, stack);
    const images = panel.frames.map((uri, i) => {
      const image = node("img", "", stack);
      image.alt = `${panel.title}, step ${data.steps[i]}. ${panel.about}`;
      image.src = uri;
      image.hidden = true;
      image.decode().catch(() => {}); // only to be ready: one that cannot be decoded stays empty
      return image;
    });
    let shown = images[0];
    return (frame) => { shown.hidden = true; shown = images[frame]; shown.hidden = false; };
  }

  function labels(panel, stack) {
    const over = node("div", "labels", stack);
    over.style.gridTemplateColumns = `repeat(${panel.columns}, 1fr)`;
    for (const text of panel.labels) node("span", "", over).textContent = text;
  }

  // ---- numbers ---------------------------------------------------------------------------------------------------------

  function dots(panel, grid) {
    const [width, height, left, bottom] = [320, 240, 40, 30];
    const body = section(panel, grid);
    const chart = node("svg", "dots", body, SVG);
    chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
    chart.setAttribute("role", "img");
    chart.setAttribute("aria-label", `${panel.title}. ${panel.about}`);
    const layers = panel.values[0].length;
    const x = (layer) => left + ((layer + 0.5) * (width - left - 8)) / layers;
    const y = (value) => height - bottom - (Math.min(value, panel.top) / panel.top) * (height - bottom - 12);
    const line = (x1, y1, x2, y2, name) => set(node("line", name, chart, SVG), { x1, y1, x2, y2 });
    const text = (words, at, anchor) => {
      const made = node("text", "", chart, SVG);
      set(made, { ...at, "text-anchor": anchor });
      made.textContent = words;
    };
    line(left, height - bottom, width, height - bottom, "axis");
    line(left, 12, left, height - bottom, "axis");
    for (const value of [0, panel.top / 2, panel.top]) text(Number(value.toPrecision(2)), { x: left - 6, y: y(value) + 4 }, "end");
    if (panel.unit) text(panel.unit, { x: left + 6, y: y(panel.top) + 4 }, "start");
    for (let i = 0; i < layers; i += Math.ceil(layers / 12)) text(i + 1, { x: x(i), y: height - bottom + 16 }, "middle");
    text("block", { x: (left + width) / 2, y: height - 1 }, "middle");
    if (panel.line !== null) line(left, y(panel.line), width, y(panel.line), "even");
    const marks = panel.values[0].map((heads, layer) => heads.map((_, head) => {
      const mark = node("circle", "head", chart, SVG);
      set(mark, { r: heads.length > 8 ? 4 : 6, cx: x(layer) });
      mark.style.fill = SHADES[head % SHADES.length];
      return mark;
    }));
    return (frame) => panel.values[frame].forEach((heads, layer) => heads.forEach((value, head) => set(marks[layer][head], { cy: y(value) })));
  }

  function set(element, values) {
    for (const [name, value] of Object.entries(values)) element.setAttribute(name, value);
  }

  function bars(panel, grid) {
    const body = section(panel, grid);
    const picture = node("img", "asked", body);
    picture.alt = "The picture that the model sees";
    picture.src = data.picture.uri;
    const list = node("div", "list", body);
    const rows = panel.names.map((name, i) => {
      const row = node("div", i === panel.marked ? "row marked" : "row", list);
      node("span", "name", row).textContent = name;
      const share = node("span", "share", row);
      return { share, fill: node("span", "fill", node("span", "track", row)) };
    });
    return (frame) => rows.forEach(({ share, fill }, i) => {
      const value = panel.values[frame][i];
      share.textContent = `${(100 * value).toFixed(value > 0.0995 ? 0 : 1)} %`;
      fill.style.width = `${100 * value}%`;
    });
  }
}
