// Small services to forms: the visitor's time zone where none is chosen, and one press that sends once.
(() => {
  function fillZone() {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    for (const field of document.querySelectorAll("[data-detect-zone]")) {
      if (field.value || !zone) continue;
      field.value = zone;
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented || form.matches("[hx-post]")) return;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "yes";
  });
  // Back to a page kept by the browser: its forms may be sent again.
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });
  document.addEventListener("htmx:after:swap", fillZone);
  fillZone();
})();
