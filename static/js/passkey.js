// Says what became of a passkey where one is looking; allauth's scripts only tell the console.
(() => {
  "use strict";
  const say = (words) => {
    const line = document.querySelector("[data-passkey-failed]");
    if (!line) return;
    line.textContent = words;
    line.hidden = false;
  };
  const WORDS = {
    NotAllowedError: "No passkey was used: it was cancelled, took too long, isn’t one of this account, or didn’t check that it’s you.",
    InvalidStateError: "This device or security key is already a passkey of your account.",
    SecurityError: "Passkeys work only at the address Keydeck is meant to be opened at, over HTTPS.",
  };
  document.addEventListener("allauth.error", (event) => {
    event.preventDefault();
    say(WORDS[event.detail.exception.name] || "The passkey could not be used. Reload the page and try again.");
  });
  if (!window.PublicKeyCredential && document.querySelector("[data-passkey]")) {
    say("Passkeys need HTTPS and a browser that knows them.");
    document.querySelectorAll("[data-passkey]").forEach((button) => { button.disabled = true; });
  }
})();
