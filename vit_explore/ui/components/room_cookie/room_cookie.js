// Keep a cookie of this site: sent to nobody else, and gone after the lesson.

export default function (component) {
  const { name, value, lasts } = component.data;
  const secure = window.location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${encodeURIComponent(value)}; path=/; max-age=${lasts}; SameSite=Strict${secure}`;
}
