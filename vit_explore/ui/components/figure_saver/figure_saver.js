// Plotly saves a chart by a button in its own bar, which is hidden (style.py) and pressed here: Streamlit keeps Plotly to
// itself. The options are read when it is pressed, so one button serves both formats.

const SCALE = 2; // pixels of a PNG for each of the page
const FONT = "Arial, Helvetica, sans-serif"; // a saved picture has none of the page's own letters

export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".saver");
  root.replaceChildren(...["png", "svg"].map((format) => button(format, data)));
}

function button(format, { chart, name }) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = format.toUpperCase();
  made.title = format === "png" ? "As it is on this page, twice as sharp" : "Lines and letters that stay sharp at any size";
  made.onclick = () => save(chart, format, name);
  return made;
}

function save(chart, format, name) {
  const plot = document.querySelector(`.${CSS.escape(chart)} .js-plotly-plot`);
  const press = plot && plot.querySelector(".modebar-btn");
  if (!press) return;
  const [layout, font] = [plot.layout, plot.layout.font];
  const before = { paper_bgcolor: layout.paper_bgcolor, font };
  layout.paper_bgcolor = getComputedStyle(document.querySelector(".stApp")).backgroundColor; // the letters are made for it
  layout.font = { ...font, family: FONT };
  plot._context.toImageButtonOptions = { format, filename: name, scale: format === "png" ? SCALE : 1 };
  press.click(); // Plotly takes its copy of the layout at once
  Object.assign(layout, before);
}
