// What the page has to say in its corner: toasts the server asks for (HX-Trigger), and requests that failed.
(() => {
  const SAID = {
    400: "This page has been open for too long. Load it again, then try once more.",
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

  function follows(element) { return element.matches?.("[data-live]"); }

  // A part of the page that follows the server and may do so no longer says it once; js/live.js says what ails the line.
  const told = new WeakSet();
  function heard(region, status) {
    const news = [401, 403, 404].includes(status) && !told.has(region);
    if (news) told.add(region);
    return !news;
  }

  document.addEventListener("toast", (event) => toast(event.detail.text, event.detail.kind));
  document.addEventListener("htmx:response:error", (event) => {
    const { status } = event.detail.ctx.response;
    if (status === 422 || status === 409 || (follows(event.target) && heard(event.target, status))) return;
    toast(SAID[status] || "Tokiflow could not do that. Nothing was changed; try again.", "down");
  });
  document.addEventListener("htmx:error", (event) => {
    if (follows(event.target)) return;
    toast("Tokiflow did not answer. Check the connection, then try again.", "down");
  });
})();
