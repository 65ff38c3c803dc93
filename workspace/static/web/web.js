// Niceties on pages that show a secret. Everything works without them.
"use strict";

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break; // only on https and on this very machine
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}

// A password does not stay on an unattended screen, nor in the page that "back" would bring up again.
const secret = document.querySelector("[data-hide-after]");
if (secret) {
  const countdown = document.querySelector("[data-countdown]");
  const end = Date.now() + Number(secret.dataset.hideAfter) * 1000;
  const hide = () => {
    secret.textContent = "";
    location.replace(secret.dataset.hideTo);
  };
  const tick = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    if (left <= 0) return hide();
    countdown.textContent = `Hidden again in ${left} s.`;
    setTimeout(tick, 500);
  };
  tick();
  addEventListener("pagehide", () => { secret.textContent = ""; });
  addEventListener("pageshow", (event) => { if (event.persisted) hide(); });
}
