// Complete the address of the page in its own entry of the browser's history. What others put into it stays.

export default function (component) {
  const { path, query, known, fields, count } = component.data;
  const root = component.parentElement;
  if (root.addressCount >= count) return; // drawn again, not run again: the person may have gone on meanwhile
  root.addressCount = count;
  const url = new URL(window.location.href);
  if (url.pathname.split("/").pop() !== path) return; // on the way to another page
  const params = url.searchParams;
  const says = (text) => fields.every((name) => params.get(name) === new URLSearchParams(text).get(name));
  if (!says(known) && !says(root.addressWrote ?? known)) return; // it went on: the run of that completes it
  root.addressWrote = query;
  const before = params.toString();
  for (const name of fields) params.delete(name);
  for (const [name, value] of new URLSearchParams(query)) params.set(name, value);
  if (params.toString() !== before) window.history.replaceState(window.history.state, "", url);
}
