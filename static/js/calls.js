// The calls explorer: rows that come as calls are stored, and moments in the reader's own clock.
(() => {
  "use strict";
  const AGAIN = 5000; // milliseconds until a refused connection is tried again
  let source = null;
  let last = ""; // the id of the newest event: where to go on

  const card = () => document.querySelector("[data-tail]");
  const say = (words, good) => {
    const said = card()?.querySelector("[data-said]");
    if (!said || said.textContent === words) return;
    said.textContent = words;
    said.classList.toggle("kd-live-off", !good);
  };

  const show = (html) => {
    const body = card()?.querySelector("tbody");
    if (!body) return;
    const made = document.createElement("template");
    made.innerHTML = html;
    const rows = [...made.content.querySelectorAll("tr")].filter((row) => {
      const link = row.querySelector("a[id]");
      return link && !document.getElementById(link.id);
    });
    if (!rows.length) return;
    body.querySelector("[data-none]")?.remove();
    body.prepend(...rows);
    while (body.rows.length > Number(card().dataset.shown)) body.lastElementChild.remove();
    rows.forEach((row) => window.htmx.trigger(row, "htmx:load", { elt: row }));
  };

  const stop = () => {
    source?.close();
    source = null;
  };

  const follow = () => {
    stop();
    const place = card();
    if (!place || document.hidden) return; // a hidden page holds no connection
    const url = new URL(place.dataset.tail, location.href);
    if (last) url.searchParams.set("after", last);
    const mine = new EventSource(url);
    source = mine;
    const on = (name, act) => mine.addEventListener(name, (event) => {
      if (event.lastEventId) last = event.lastEventId;
      act(event.data);
    });
    const live = () => say("Live: calls show as they end. Switch it off to page back.", true);
    on("open", live);
    on("back", live);
    on("calls", (html) => { show(html); live(); });
    on("missed", () => say("Live again; some calls came meanwhile: reload to see them all.", true));
    on("away", (data) => say(JSON.parse(data).message, false));
    on("end", (data) => { stop(); say(`${JSON.parse(data).message} Reload the page.`, false); });
    mine.onerror = () => {
      if (source !== mine) return;
      if (mine.readyState !== EventSource.CLOSED) {
        say("Keydeck doesn’t answer; trying again", false);
        return;
      }
      stop();
      refused(url);
    };
  };

  // Why it was refused is not for an EventSource to know: signed out, too many open, or away.
  const refused = async (url) => {
    let words = "Keydeck doesn’t answer; trying again";
    try {
      const asking = new AbortController();
      const answer = await fetch(url, { signal: asking.signal, redirect: "manual", cache: "no-store" });
      if (answer.type === "opaqueredirect") {
        say("Signed out: reload the page", false);
        return;
      }
      if (answer.status === 429) words = await answer.text();
      asking.abort();
    } catch { /* away */ }
    say(words, false);
    setTimeout(() => { if (!source) follow(); }, AGAIN);
  };

  const local = (at) => new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  const offer = (input) => {
    const clock = document.createElement("input");
    clock.type = "datetime-local";
    clock.className = input.className;
    clock.id = input.id;
    const at = new Date(input.value);
    if (!Number.isNaN(at.getTime())) clock.value = local(at);
    clock.addEventListener("change", () => {
      input.value = clock.value ? new Date(clock.value).toISOString() : "";
    });
    input.type = "hidden";
    input.removeAttribute("id");
    input.removeAttribute("data-instant");
    input.before(clock);
  };

  const begin = (root) => {
    root.querySelectorAll("input[data-instant]").forEach(offer);
    last = "";
    follow();
  };
  document.addEventListener("htmx:load", (event) => {
    const part = event.detail.elt;
    if (part.id === "explorer") begin(part);
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : follow()));
  begin(document);
})();
