// Select2's boxes take their label's words: by themselves they have no name for a screen reader.
(() => {
  const label = () => {
    for (const select of document.querySelectorAll("select.select2-hidden-accessible")) {
      const box = select.parentElement.querySelector(".select2-selection:not([aria-label])");
      if (box && select.labels[0]) box.setAttribute("aria-label", select.labels[0].textContent.trim());
    }
  };
  document.addEventListener("DOMContentLoaded", () => {
    label();
    new MutationObserver(label).observe(document.body, { childList: true, subtree: true });
  });
})();
