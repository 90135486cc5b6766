// What the page has to say in its corner: toasts the server asks for (HX-Trigger), and requests that failed.
(() => {
  const SAID = {
    401: "You are signed out. Load the page again to sign in.", 403: "You may not do this.",
    404: "This no longer exists.", 413: "That is too large.", 429: "That was too fast. Wait a moment, then try again.",
  };

  function toast(text, kind = "info") {
    const box = document.createElement("div");
    const words = document.createElement("div");
    const close = document.createElement("button");
    box.className = `notice ${kind}`;
    words.textContent = text;
    close.type = "button";
    close.className = "button quiet small close";
    close.textContent = "Close";
    close.addEventListener("click", () => box.remove());
    box.append(words, close);
    document.getElementById("toasts").append(box);
    // Bad news stays until it is closed; good news has been read after eight seconds, unless someone is on it.
    if (kind === "down") return;
    const leave = () => (box.matches(":hover, :focus-within") ? setTimeout(leave, 2000) : box.remove());
    setTimeout(leave, 8000);
  }

  document.addEventListener("toast", (event) => toast(event.detail.text, event.detail.kind));
  document.addEventListener("htmx:response:error", (event) => {
    const { status } = event.detail.ctx.response;
    if (status === 422 || status === 409 || event.target.closest?.("[data-live]")) return;
    toast(SAID[status] || "Tokiflow could not do that. Nothing was changed; try again.", "down");
  });
  document.addEventListener("htmx:error", (event) => {
    if (event.target.closest?.("[data-live]")) return;
    toast("Tokiflow did not answer. Check the connection, then try again.", "down");
  });
})();
