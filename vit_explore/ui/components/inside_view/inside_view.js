// Three panels, built once and then only changed where something is new: a picture replaces its predecessor in its own node.
// The cells of the attention are as large as the panel allows. Class names are typed by people: they only become text.

const NOTHING = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"; // a picture without a source would have a border

export default function (component) {
  const root = component.parentElement.querySelector(".inside");
  if (!root.view) root.view = build(root);
  const view = root.view;
  view.pin = (index) => component.setStateValue("pinned", index);
  const { tiles, attention, answers, tall } = component.data;
  root.classList.toggle("tall", tall);
  show(view.tiles, tiles);
  show(view.attention, attention);
  say(view, answers);
  fit(view);
  // Streamlit also calls this when newer data overtook this call: only what has left the page is taken down.
  return () => { if (!root.isConnected) view.observer.disconnect(); };
}

function build(root) {
  const view = { root, tiles: panel(root, "tiles"), attention: panel(root, "attention"), answers: panel(root, "answers") };
  view.observer = new ResizeObserver(() => fit(view));
  view.observer.observe(view.attention.body);
  return view;
}

function node(tag, className, parent) {
  const made = document.createElement(tag);
  made.className = className;
  if (parent) parent.appendChild(made);
  return made;
}

function panel(root, name) {
  const box = node("section", name, root);
  const head = node("div", "head", box);
  const made = { title: node("h2", "", head), aside: node("span", "aside", head), body: node("div", "body", box) };
  made.note = node("p", "note", box);
  return made;
}

function heading(panel, given) {
  put(panel.title, given.title);
  put(panel.aside, given.aside);
}

// ---- pictures ----------------------------------------------------------------------------------------------------------

function show(panel, given) {
  heading(panel, given);
  put(panel.note, given.note);
  panel.note.hidden = !given.note;
  panel.body.hidden = Boolean(given.note);
  while (panel.body.children.length > given.shots.length) panel.body.lastChild.remove();
  while (panel.body.children.length < given.shots.length) figure(panel.body);
  given.shots.forEach((shot, i) => fill(panel.body.children[i], shot));
}

function figure(parent) {
  const box = node("figure", "", parent);
  node("img", "", box).alt = "";
  node("figcaption", "", box);
}

function fill(box, shot) {
  const [image, caption] = box.children;
  const source = shot.uri || NOTHING;
  if (image.getAttribute("src") !== source) image.src = source;
  if (image.alt !== shot.alt) image.alt = shot.alt;
  put(caption, shot.name);
}

function fit({ attention }) {
  // The number of columns that makes the cells largest. On a narrow screen the panel has no height of its own.
  const body = attention.body;
  const count = body.children.length;
  if (!count) return;
  const style = getComputedStyle(body);
  const [gapX, gapY] = [parseFloat(style.columnGap) || 0, parseFloat(style.rowGap) || 0];
  const caption = body.querySelector("figcaption").offsetHeight;
  const free = getComputedStyle(attention.body.parentElement).getPropertyValue("--free").trim() === "1";
  const [width, height] = [body.clientWidth, free ? Infinity : body.clientHeight];
  let best = { columns: 1, side: 0 };
  for (let columns = free ? 4 : 1; columns <= (free ? 4 : count); columns++) {
    const rows = Math.ceil(count / columns);
    const side = Math.min((width - gapX * (columns - 1)) / columns, (height - gapY * (rows - 1)) / rows - caption);
    if (side > best.side + 0.5) best = { columns, side };
  }
  body.style.setProperty("--columns", best.columns);
  body.style.setProperty("--cell", `${Math.floor(best.side)}px`);
}

// ---- answers -----------------------------------------------------------------------------------------------------------

function say(view, given) {
  const { answers } = view;
  heading(answers, given);
  answers.note.hidden = true;
  const body = answers.body;
  if (body.children.length !== given.said.length) body.replaceChildren(...given.said.map((_, i) => card(view, i)));
  body.style.setProperty("--half", Math.ceil(given.said.length / 2));
  given.said.forEach((said, i) => update(body.children[i], said, i, given));
}

function card(view, index) {
  const box = node("button", "card");
  box.type = "button";
  box.onclick = () => view.pin(index);
  node("span", "picture", box);
  const text = node("span", "text", box);
  node("span", "truth", text);
  const said = node("span", "said", text);
  node("span", "sign", said);
  node("span", "label", said);
  const sure = node("span", "sure", text);
  node("span", "fill", node("span", "bar", sure));
  node("span", "percent", sure);
  return box;
}

function update(box, said, index, { sheet, pinned, said: all }) {
  const picture = box.querySelector(".picture");
  if (picture.dataset.sheet !== sheet) {
    picture.dataset.sheet = sheet;
    picture.style.backgroundImage = sheet ? `url("${sheet}")` : "";
    picture.style.backgroundSize = `${all.length * 100}% 100%`;
    picture.style.backgroundPosition = all.length > 1 ? `${(index / (all.length - 1)) * 100}% 0` : "0 0";
  }
  const known = Boolean(said.label);
  const percent = known ? `${Math.round(said.probability * 100)} %` : "";
  box.setAttribute("aria-pressed", String(index === pinned));
  const answer = known ? ` The model says ${said.label}, ${percent}.` : "";
  box.setAttribute("aria-label", `A validation image of class ${said.truth}.${answer} Show the attention on it.`);
  box.title = "Show the attention on this picture";
  box.classList.toggle("right", known && said.right);
  box.classList.toggle("wrong", known && !said.right);
  put(box.querySelector(".truth"), said.truth);
  put(box.querySelector(".sign"), known ? (said.right ? "✓" : "✗") : "");
  put(box.querySelector(".label"), known ? (said.right ? "right" : said.label) : "");
  put(box.querySelector(".percent"), percent);
  box.querySelector(".fill").style.width = `${said.probability * 100}%`;
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
