// Says every <time datetime> in the reader's zone; relative ones keep themselves up to date.
(() => {
  "use strict";
  const absolute = new Intl.DateTimeFormat(undefined, {
    year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit",
    second: "2-digit", timeZoneName: "short",
  });
  const day = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
  const minute = new Intl.DateTimeFormat(undefined, {
    month: "short", day: "numeric", hour: "2-digit", minute: "2-digit",
  });
  const second = new Intl.DateTimeFormat(undefined, {
    month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
  });
  const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  const units = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];

  const ago = (at) => {
    const seconds = (at - Date.now()) / 1000;
    if (Math.abs(seconds) < 45) return seconds > 0 ? "in a moment" : "just now";
    for (const [unit, size] of units) {
      if (Math.abs(seconds) >= size || unit === "minute") {
        return relative.format(Math.round(seconds / size) || Math.sign(seconds), unit);
      }
    }
    return "";
  };
  const say = (element) => {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) return;
    const style = element.dataset.style || "relative";
    element.title = absolute.format(at);
    element.textContent = style === "relative" ? ago(at)
      : style === "due" ? (at < Date.now() ? "due now" : ago(at))
      : style === "day" ? day.format(at) : style === "second" ? second.format(at) : style === "full" ? absolute.format(at) : minute.format(at);
  };
  const all = (root) => root.querySelectorAll("time[datetime]").forEach(say);

  document.addEventListener("DOMContentLoaded", () => all(document));
  document.addEventListener("htmx:load", (event) => all(event.detail.elt));
  setInterval(() => all(document), 15000);
})();
