// Keeps a page up to date that moves by itself: asks for its middle every two seconds, and stops when that is no
// longer marked as live. Slower while the server does not answer, silent while nobody looks. Without this script the
// page reloads itself.
"use strict";

(() => {
  const body = document.getElementById("content-main");
  const said = document.getElementById("live-said");
  let wait = 2000;

  const say = (sentence) => {
    if (said && sentence && said.textContent !== sentence) said.textContent = sentence;
  };

  const show = (html) => {
    const shown = document.createElement("template");
    shown.innerHTML = html;
    if (shown.innerHTML === body.dataset.shown) return;
    const focused = document.activeElement;
    const href = focused && body.contains(focused) ? focused.getAttribute("href") : null;
    body.dataset.shown = shown.innerHTML;
    body.replaceChildren(shown.content);
    const again = href && [...body.querySelectorAll("a[href]")].find((link) => link.getAttribute("href") === href);
    if (again) again.focus({ preventScroll: true });
  };

  const look = async () => {
    if (document.hidden) return true;
    const answer = await fetch(window.location.href, { headers: { "X-Live": "1" }, cache: "no-store" });
    if (answer.redirected || !answer.ok) throw new Error(String(answer.status));
    show(await answer.text());
    const live = body.querySelector("[data-live]");
    say((live || body.querySelector(".console-heading")).textContent.replace(/\s+/g, " ").trim());
    return Boolean(live);
  };

  const turn = async () => {
    try {
      if (!(await look())) return;
      wait = 2000;
    } catch {
      wait = Math.min(wait * 2, 60000);
    }
    window.setTimeout(turn, wait);
  };

  window.setTimeout(turn, wait);
})();
