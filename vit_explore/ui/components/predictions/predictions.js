// Cards of a picture and the answers to it. The DOM is built when the number of cards changes; later only texts and bars change.

export default function (component) {
  const root = component.parentElement.querySelector(".predictions");
  const { cards, sheet, side } = component.data;
  root.style.setProperty("--side", `${side}px`);
  const shape = JSON.stringify(cards.map((card) => card.answers.length));
  if (root.dataset.shape !== shape) {
    root.replaceChildren(...cards.map(build));
    root.dataset.shape = shape;
  }
  cards.forEach((card, i) => update(root.children[i], card, i, cards.length, sheet));
}

function node(tag, className, parent) {
  const made = document.createElement(tag);
  made.className = className;
  if (parent) parent.appendChild(made);
  return made;
}

function build(card) {
  const box = node("div", "card");
  box.setAttribute("role", "listitem");
  const picture = node("div", "picture", box);
  picture.setAttribute("role", "img");
  const text = node("div", "text", box);
  node("div", "truth", text);
  for (let i = 0; i < card.answers.length; i++) {
    const answer = node("div", "answer", text);
    node("div", "by", answer);
    const said = node("div", "said", answer);
    node("span", "sign", said);
    node("span", "label", said);
    node("span", "percent", said);
    node("div", "fill", node("div", "bar", answer));
  }
  return box;
}

function update(box, card, index, count, sheet) {
  const picture = box.querySelector(".picture");
  if (picture.dataset.sheet !== sheet) {
    picture.dataset.sheet = sheet;
    picture.style.backgroundImage = `url("${sheet}")`;
    picture.style.backgroundSize = `${count * 100}% 100%`;
  }
  picture.style.backgroundPosition = count > 1 ? `${(index / (count - 1)) * 100}% 0` : "0 0";
  picture.setAttribute("aria-label", `a picture of the class ${card.truth}`);
  put(box.querySelector(".truth"), card.truth);
  box.querySelectorAll(".answer").forEach((answer, i) => say(answer, card.answers[i]));
}

function say(answer, given) {
  answer.classList.toggle("right", given.right);
  answer.classList.toggle("wrong", !given.right);
  const by = answer.querySelector(".by");
  put(by, given.by);
  by.hidden = !given.by;
  put(answer.querySelector(".sign"), given.right ? "✓" : "✗");
  put(answer.querySelector(".label"), given.right && !given.by ? "right" : given.label);
  const known = given.probability !== null;
  put(answer.querySelector(".percent"), known ? `${Math.round(given.probability * 100)} %` : "");
  answer.querySelector(".bar").hidden = !known;
  if (known) answer.querySelector(".fill").style.width = `${given.probability * 100}%`;
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
