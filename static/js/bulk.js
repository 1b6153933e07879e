// Ticks every key of a page at once, and keeps the box that does it in step with the keys.
(() => {
  "use strict";
  const boxes = (form) => [...document.querySelectorAll(`input[name=key][form="${form.id}"]`)];
  document.addEventListener("change", (event) => {
    const box = event.target;
    if (box.type !== "checkbox" || !box.form || !("bulk" in box.form.dataset)) return;
    const page = box.form.querySelector("[data-bulk-page]");
    if (box === page) boxes(box.form).forEach((one) => { one.checked = page.checked; });
    else if (box.name === "key") page.checked = boxes(box.form).every((one) => one.checked);
  });
})();
