// One click copies. A [data-copy-url] form asks the server for the text (POST, audited), so
// nothing secret is in the page before; [data-copy] copies text that is already shown.
(() => {
  "use strict";
  const say = (button, words, good) => {
    const status = document.getElementById("copy-status");
    if (status) status.textContent = words;
    const label = button.querySelector("[data-label]") || button;
    const before = button.dataset.before || (button.dataset.before = label.textContent);
    label.textContent = good ? "Copied" : "Not copied";
    button.classList.toggle("kd-copied", good);
    clearTimeout(button.timer);
    button.timer = setTimeout(() => {
      label.textContent = before;
      button.classList.remove("kd-copied");
    }, 2000);
  };
  // Where the browser refuses the clipboard, the text is shown selected, to be copied by hand.
  const fallback = (text) => {
    const box = document.getElementById("copy-fallback");
    const area = box.querySelector("textarea");
    area.value = text;
    area.rows = Math.min(16, text.split("\n").length + 1);
    box.showModal();
    area.select();
    box.addEventListener("close", () => { area.value = ""; }, { once: true });
  };
  const put = async (button, text) => {
    try {
      await navigator.clipboard.writeText(text);
      say(button, "Copied to the clipboard", true);
    } catch {
      fallback(text);
    }
  };
  const ask = async (form, button) => {
    button.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        body: new FormData(form, button),
        headers: { Accept: "application/json", "X-Requested-With": "fetch" },
        credentials: "same-origin",
        cache: "no-store",
      });
      if (answer.redirected || answer.status === 401) { location.reload(); return; }
      const body = await answer.json();
      if (!answer.ok) {
        say(button, body.message, false);
        const alert = document.getElementById("copy-error");
        if (alert) { alert.textContent = body.message; alert.hidden = false; }
        return;
      }
      await put(button, body.text);
    } catch {
      say(button, "Keydeck didn't answer. Try again.", false);
    } finally {
      button.removeAttribute("aria-busy");
    }
  };
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-copy-url]");
    if (!form) return;
    event.preventDefault();
    ask(form, event.submitter);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) {
      const source = document.getElementById(button.dataset.copy);
      put(button, source.value === undefined ? source.textContent : source.value);
    }
    if (event.target.closest("[data-fallback-close]")) document.getElementById("copy-fallback").close();
  });
})();
