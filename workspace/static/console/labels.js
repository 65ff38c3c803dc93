// Select2's boxes take their label's words: by themselves they have no name for a screen reader.
(() => {
  const label = () => {
    for (const select of document.querySelectorAll("select.select2-hidden-accessible")) {
      const words = select.labels[0]?.textContent.trim();
      const parts = words ? select.parentElement.querySelectorAll(".select2-container [role]:not([aria-label])") : [];
      for (const part of parts) part.setAttribute("aria-label", words);
    }
  };
  document.addEventListener("DOMContentLoaded", () => {
    label();
    new MutationObserver(label).observe(document.body, { childList: true, subtree: true });
  });
})();
