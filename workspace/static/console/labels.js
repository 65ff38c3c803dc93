// What unfold leaves out for those who use a screen reader or the keyboard alone.
(() => {
  const ICONS = {
    dock_to_right: "Show or hide the menu", close: "Close the menu",
    visibility: "Show or hide what is typed", visibility_off: "Show or hide what is typed",
  };

  // Select2's boxes take their label's words: by themselves they are called by what is chosen in them.
  const label = () => {
    for (const select of document.querySelectorAll("select.select2-hidden-accessible")) {
      const words = select.labels[0]?.textContent.trim();
      const parts = words ? select.parentElement.querySelectorAll(".select2-container [role]:not([aria-label])") : [];
      for (const part of parts) {
        part.setAttribute("aria-label", words);
        part.removeAttribute("aria-labelledby");
      }
    }
  };

  // An icon is a word in a font of pictures: beside words it would be read out as one more, unless it is the button.
  const hush = () => {
    for (const icon of document.querySelectorAll(".material-symbols-outlined:not([aria-hidden], [role])")) {
      if (icon.parentElement.textContent.trim() !== icon.textContent.trim()) icon.setAttribute("aria-hidden", "true");
    }
  };

  // Some of its buttons are links without an address, or no more than a box with a handler.
  const reach = () => {
    const boxes = "a:not([href]), span, div:not(#changelist-filter-close)";
    for (const box of document.querySelectorAll(`:is(${boxes})[x-on\\:click]:not([role])`)) {
      box.tabIndex = 0;
      box.setAttribute("role", "button");
      const words = ICONS[box.textContent.trim()];
      if (words) box.setAttribute("aria-label", words);
      box.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        box.click();
      });
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    const mend = () => [reach, hush, label].forEach((each) => each());
    mend();
    new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
  });
})();
