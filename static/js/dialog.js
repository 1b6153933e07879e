// Opens in a dialog what a link marked hx-target="#dialog-body" loads; the same link is a page without JS.
(() => {
  "use strict";
  const dialog = () => document.getElementById("dialog");
  let opener = null;

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id !== "dialog-body") return;
    const box = dialog();
    if (!box.open) {
      opener = document.activeElement;
      box.showModal();
    }
  });
  // Once it has settled: until then the answer wears its forerunner's classes, and htmx itself
  // puts the cursor into what asks for it by default.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id !== "dialog-body") return;
    // One after the other: a list of selectors finds what stands first. What is wrong comes first.
    const places = ["[aria-invalid=true]", "[autofocus]", "input:not([type=hidden]), select, textarea",
      ".kd-form-foot [data-dialog-close]"]; // a question: nothing happens by Enter
    const first = places.map((place) => dialog().querySelector(place)).find(Boolean);
    if (first) first.focus();
  });
  // An answer that can't be shown (an error page, no answer at all) is said where one is looking.
  const failed = (event) => {
    const asked = event.detail.requestConfig && event.detail.requestConfig.triggeringEvent;
    if (asked && asked.type === "kd:tick") return; // asks again by itself
    const box = dialog();
    const place = (box.open && box.querySelector(".kd-dialog-content")) || document.querySelector("main");
    const status = event.detail.xhr ? event.detail.xhr.status : 0;
    let line = place.querySelector(":scope > [data-failed]");
    if (!line) {
      line = document.createElement("div");
      line.className = "alert alert-danger";
      line.setAttribute("role", "alert");
      line.dataset.failed = "";
      place.prepend(line);
    }
    line.textContent = status === 403 || status === 404
      ? "You may not do this any more. Reload the page."
      : `Keydeck ${status ? `failed (${status})` : "didn’t answer"}. Reload to see what was done, or try again.`;
  };
  document.addEventListener("htmx:responseError", failed);
  document.addEventListener("htmx:sendError", failed);
  document.addEventListener("htmx:afterSwap", () => {
    document.querySelectorAll("[data-failed]").forEach((line) => line.remove());
  });
  document.addEventListener("click", (event) => {
    const box = dialog();
    if (box && (event.target === box || event.target.closest("[data-dialog-close]"))) {
      if (box.open) {
        event.preventDefault();
        box.close();
      }
    }
  });
  document.addEventListener("close", (event) => {
    if (event.target.id !== "dialog") return;
    document.getElementById("dialog-body").replaceChildren(); // what was typed doesn't outlive it
    if (opener) opener.focus();
  }, true);
  // Fields that belong to one choice only: shown while their select or radio has that value.
  const toggle = (root) => root.querySelectorAll("[data-shown-for]").forEach((part) => {
    const [name, values] = part.dataset.shownFor.split("=");
    const form = part.closest("form");
    const field = form && form.elements[name];
    if (!field) return;
    part.hidden = !values.split("|").includes(field.value);
    // Else a browser holds the form back over a field that nobody sees, and can't say why.
    part.querySelectorAll("input, select, textarea").forEach((input) => { input.disabled = part.hidden; });
  });
  document.addEventListener("change", (event) => {
    if (event.target.form) toggle(event.target.form);
    const name = event.target.dataset.navigate;
    if (name !== undefined && event.target.form) event.target.form.requestSubmit();
  });
  document.addEventListener("DOMContentLoaded", () => {
    toggle(document);
    const asked = [...document.querySelectorAll(".kd-entrance input:not([type=hidden])")];
    const first = document.querySelector("main .is-invalid") || document.querySelector("main button[autofocus]")
      || asked.find((input) => !input.value);
    if (first) first.focus();
  });
  document.addEventListener("htmx:load", (event) => toggle(event.detail.elt));
  // A second click must not send a form twice.
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (event.defaultPrevented || !button || event.target.method === "get") return;
    setTimeout(() => { button.disabled = true; button.classList.add("btn-loading"); });
  });
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    document.querySelectorAll(".btn-loading").forEach((button) => {
      button.disabled = false;
      button.classList.remove("btn-loading");
    });
  });
})();
