// Keeps usage panels current: asks for new figures while they can be seen, and swaps them in place.
(() => {
  "use strict";
  const EVERY = 1000; // milliseconds; with the drain a call is on the chart within three seconds
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const loading = new Map();

  const load = (src) => {
    if (!loading.has(src)) {
      loading.set(src, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = src;
        script.onload = resolve;
        script.onerror = reject;
        document.head.append(script);
      }));
    }
    return loading.get(src);
  };
  const loadAll = async (panel) => {
    for (const src of panel.dataset.scripts.split(" ")) await load(src);
  };

  const say = (panel, words, good) => {
    const live = panel.querySelector("[data-live]");
    if (!live || live.dataset.words === words) return;
    live.dataset.words = words;
    live.querySelector("[data-words]").textContent = words;
    live.classList.toggle("kd-live-off", !good);
  };

  const busy = (region) => {
    const selection = document.getSelection();
    return region.contains(document.activeElement)
      || (selection && !selection.isCollapsed && region.contains(selection.anchorNode));
  };
  const swap = (panel, html) => {
    for (const [name, text] of Object.entries(html)) {
      const region = panel.querySelector(`[data-region="${name}"]`);
      if (!region || region.kdText === text || busy(region)) continue;
      region.kdText = text;
      region.innerHTML = text;
      window.htmx.process(region);
      window.htmx.trigger(region, "htmx:load", { elt: region });
    }
  };

  const show = (panel, data) => {
    if (data.empty !== (panel.dataset.empty === "true")) {
      window.htmx.ajax("GET", panel.dataset.self, { target: panel, swap: "outerHTML" });
      return;
    }
    swap(panel, data.html);
    panel.querySelectorAll("canvas[data-chart]").forEach((canvas) => {
      window.kdCharts.draw(canvas, panel.querySelector(`[data-legend="${canvas.dataset.chart}"]`), data);
    });
    panel.kdData = data;
    panel.dataset.drawn = "true";
  };

  const refresh = async (panel) => {
    if (panel.kdAsking || document.hidden) return;
    panel.kdAsking = true;
    try {
      const seen = panel.kdData ? panel.kdData.version : "";
      const answer = await fetch(`${panel.dataset.url}&tz=${encodeURIComponent(zone)}&seen=${seen}`, {
        headers: { Accept: "application/json" }, credentials: "same-origin", cache: "no-store",
      });
      if (answer.redirected || answer.status === 401) {
        panel.kdStopped = true;
        say(panel, "Signed out: reload the page", false);
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      if (answer.status !== 204) {
        const data = await answer.json();
        if (panel.isConnected) show(panel, data);
      }
      say(panel, "Live", true);
    } catch {
      say(panel, "Keydeck doesn’t answer; trying again", false);
    } finally {
      panel.kdAsking = false;
    }
  };

  const start = async (panel) => {
    if (panel.kdStarted) return;
    panel.kdStarted = true;
    try {
      await loadAll(panel);
    } catch {
      say(panel, "The charts could not be loaded", false);
      return;
    }
    await refresh(panel);
    panel.kdTimer = setInterval(() => {
      if (!panel.isConnected || panel.kdStopped) {
        clearInterval(panel.kdTimer);
        panel.querySelectorAll("canvas[data-chart]").forEach(window.kdCharts.forget);
        return;
      }
      refresh(panel);
    }, EVERY);
  };

  const all = (root) => {
    if (root.matches && root.matches("[data-usage-panel]")) start(root);
    root.querySelectorAll("[data-usage-panel]").forEach(start);
  };
  const every = (act) => document.querySelectorAll("[data-usage-panel]").forEach(act);
  document.addEventListener("DOMContentLoaded", () => all(document));
  document.addEventListener("htmx:load", (event) => all(event.detail.elt));
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) every((panel) => { if (!panel.kdStopped) refresh(panel); });
  });
  let printing = false;
  const anew = () => every((panel) => {
    if (!window.kdCharts) return; // the theme changed before the first chart was drawn
    const charts = [...panel.querySelectorAll("canvas[data-chart]")];
    charts.forEach(window.kdCharts.forget);
    if (panel.kdData) show(panel, panel.kdData);
    if (printing) charts.forEach(fit);
  });
  // A chart is as wide as its place on the screen; on A4 each has the width of the paper.
  const fit = (canvas) => { if (canvas.kdChart) canvas.kdChart.resize(660, canvas.closest(".kd-low") ? 144 : 208); };
  window.addEventListener("beforeprint", () => { printing = true; anew(); });
  window.addEventListener("afterprint", () => { printing = false; anew(); });
  new MutationObserver(anew).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
})();
