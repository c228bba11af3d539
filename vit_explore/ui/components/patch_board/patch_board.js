// Pieces of a picture that change places: drag one onto another, or pick one with a click (Enter) and put it down with the
// next; R turns the piece that has the focus, C covers it. Every move is sent; the board itself never waits for an answer.

export default function (component) {
  const { parentElement, data } = component;
  const root = parentElement.querySelector(".board");
  if (!root.board || root.board.id !== data.id) root.board = build(root, data);
  root.board.send = (value) => component.setStateValue("board", value);
}

function build(root, { id, image, side, cover, pieces }) {
  const count = side * side;
  const board = { id, side, picked: null, at: 0, send: () => {}, pieces: pieces.map(([source, turns, covered]) => ({ source, turns, covered: !!covered })) };
  root.replaceChildren();
  root.style.setProperty("--side", side);
  root.style.setProperty("--cover", cover);
  const grid = node("div", "grid", root);
  grid.setAttribute("role", "group");
  grid.setAttribute("aria-label", "The picture in pieces. Arrow keys move, Enter picks a piece up and puts it down, R turns, C covers");
  board.cells = Array.from({ length: count }, (_, place) => cell(grid, place));
  const tools = node("div", "tools", root);
  tool(tools, "Turn", "Turn the chosen piece a quarter (R)", () => turn(board.at));
  tool(tools, "Cover", "Cover the chosen piece, or uncover it (C)", () => coverIt(board.at));
  tool(tools, "Shuffle", "All pieces in a new order", () => change(() => shuffle(board.pieces)));
  tool(tools, "Start again", "Every piece in its own place", () => change(() => { board.pieces = fresh(count); }));
  const said = node("p", "said", root);
  said.setAttribute("aria-live", "polite");
  draw();
  return board;

  function cell(parent, place) {
    const made = node("button", "cell", parent);
    made.type = "button";
    node("span", "face", made).style.backgroundImage = `url("${image}")`;
    made.onfocus = () => { board.at = place; draw(); };
    made.onkeydown = (event) => key(event, place);
    made.onpointerdown = (event) => grab(event, place);
    return made;
  }

  // ---- what can be done ------------------------------------------------------------------------------------------------

  function change(act) {
    act();
    draw();
    board.send({ id, pieces: board.pieces.map((p) => [p.source, p.turns, p.covered ? 1 : 0]) });
  }
  function swap(one, other) {
    if (one !== other) change(() => { [board.pieces[one], board.pieces[other]] = [board.pieces[other], board.pieces[one]]; });
  }
  function turn(place) { change(() => { board.pieces[place].turns = (board.pieces[place].turns + 1) % 4; }); }
  function coverIt(place) { change(() => { board.pieces[place].covered = !board.pieces[place].covered; }); }
  function pick(place) {
    board.at = place;
    if (board.picked === null) board.picked = place;
    else {
      const from = board.picked;
      board.picked = null;
      swap(from, place);
    }
    draw();
  }

  // ---- keyboard --------------------------------------------------------------------------------------------------------

  function key(event, place) {
    const [row, column] = [Math.floor(place / side), place % side];
    const to = { ArrowUp: row > 0 && place - side, ArrowDown: row < side - 1 && place + side,
                 ArrowLeft: column > 0 && place - 1, ArrowRight: column < side - 1 && place + 1 }[event.key];
    const act = { Enter: () => pick(place), " ": () => pick(place), r: () => turn(place), c: () => coverIt(place),
                  Escape: () => { board.picked = null; draw(); } }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || (to === undefined && !act)) return;
    event.preventDefault();
    if (act) return act();
    if (to === false) return;
    if (board.picked === place) {
      board.picked = to; // the piece comes along
      swap(place, to);
    }
    board.cells[to].focus();
  }

  // ---- mouse and finger ------------------------------------------------------------------------------------------------

  function grab(event, place) {
    if (event.button) return;
    event.preventDefault();
    const made = board.cells[place];
    made.focus();
    made.setPointerCapture(event.pointerId);
    const [x, y] = [event.clientX, event.clientY];
    let moved = false;
    made.onpointermove = (move) => {
      const [dx, dy] = [move.clientX - x, move.clientY - y];
      moved = moved || Math.hypot(dx, dy) > 6;
      if (!moved) return;
      made.classList.add("held");
      made.style.translate = `${dx}px ${dy}px`;
      const over = under(move);
      board.cells.forEach((other, i) => other.classList.toggle("over", i === over && i !== place));
    };
    const end = (up, dropped) => {
      made.onpointermove = made.onpointerup = made.onpointercancel = null;
      made.classList.remove("held");
      made.style.translate = "";
      board.cells.forEach((other) => other.classList.remove("over"));
      if (!dropped) return;
      if (!moved) return pick(place);
      const over = under(up);
      if (over === null) return;
      swap(place, over);
      board.cells[over].focus(); // the piece that was moved stays the chosen one
    };
    made.onpointerup = (up) => end(up, true);
    made.onpointercancel = (up) => end(up, false);
  }
  function under(event) {
    const box = grid.getBoundingClientRect();
    const [column, row] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map((part) => Math.floor(part * side));
    return column >= 0 && row >= 0 && column < side && row < side ? row * side + column : null;
  }

  // ---- how it looks ----------------------------------------------------------------------------------------------------

  function draw() {
    board.cells.forEach((made, place) => {
      const { source, turns, covered } = board.pieces[place];
      const face = made.firstChild;
      const [row, column] = [Math.floor(source / side), source % side];
      const part = (at) => (side > 1 ? `${(100 * at) / (side - 1)}%` : "0%");
      face.style.backgroundPosition = `${part(column)} ${part(row)}`;
      face.style.rotate = `${90 * turns}deg`;
      face.classList.toggle("covered", covered);
      made.tabIndex = place === board.at ? 0 : -1;
      made.classList.toggle("picked", place === board.picked);
      made.classList.toggle("chosen", place === board.at);
      made.setAttribute("aria-pressed", String(place === board.picked));
      const state = [covered && "covered", turns && `turned by ${90 * turns} degrees`].filter(Boolean).join(", ");
      made.setAttribute("aria-label", `Row ${Math.floor(place / side) + 1}, column ${(place % side) + 1}: piece ${source + 1}${state && `, ${state}`}`);
    });
    const words = board.picked === null ? "" : `Piece ${board.pieces[board.picked].source + 1} is picked up: click where it shall go.`;
    if (board.words !== words) root.querySelector(".said").textContent = board.words = words;
  }
}

function fresh(count) {
  return Array.from({ length: count }, (_, source) => ({ source, turns: 0, covered: false }));
}

function shuffle(pieces) {
  for (let i = pieces.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [pieces[i], pieces[j]] = [pieces[j], pieces[i]];
  }
}

function node(tag, className, parent) {
  const made = document.createElement(tag);
  made.className = className;
  parent.appendChild(made);
  return made;
}

function tool(parent, name, help, act) {
  const made = node("button", "tool", parent);
  Object.assign(made, { type: "button", textContent: name, title: help, onclick: act });
}
