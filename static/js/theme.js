// Sets light or dark before the first paint; the toggle remembers the choice.
(() => {
  "use strict";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => {
    try { return localStorage.getItem("keydeck-theme"); } catch { return null; }
  };
  const apply = () => {
    root.dataset.bsTheme = stored() || (system.matches ? "dark" : "light");
  };
  apply();
  system.addEventListener("change", apply);
  // Paper is white: what is drawn for the dark is drawn anew, and back again afterwards.
  window.addEventListener("beforeprint", () => { root.dataset.bsTheme = "light"; });
  window.addEventListener("afterprint", apply);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    const next = root.dataset.bsTheme === "dark" ? "light" : "dark";
    try { localStorage.setItem("keydeck-theme", next); } catch { /* private mode: this page only */ }
    root.dataset.bsTheme = next;
    document.dispatchEvent(new CustomEvent("keydeck:theme", { detail: next }));
  });
})();
