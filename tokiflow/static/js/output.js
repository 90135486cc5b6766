// The output viewer (templates/runs/_output.html) works without this. It remembers whether lines are wrapped, walks from
// match to match (Enter and Shift Enter in the search field), and finds a line that is on another part.
(() => {
  const root = document.documentElement;
  const asked = new URL(location.href);
  let wrapped = true;
  try { wrapped = localStorage.getItem("tokiflow.wrap") !== "no"; } catch { /* storage refused: lines are wrapped */ }
  // Before the page is drawn, so that it doesn't jump. What the address says comes first.
  if (asked.searchParams.has("wrap")) wrapped = asked.searchParams.get("wrap") !== "0";
  else root.dataset.wrap = wrapped ? "yes" : "no";

  const line = /^#L(\d{1,8})$/.exec(location.hash);
  let at = -1;

  function say(words) { document.getElementById("announcer").textContent = words; }

  function label(link) { link.textContent = wrapped ? link.dataset.off : link.dataset.on; }

  function wrap(link) {
    wrapped = !wrapped;
    root.dataset.wrap = wrapped ? "yes" : "no";
    try { localStorage.setItem("tokiflow.wrap", root.dataset.wrap); } catch { /* holds for this page */ }
    label(link);
    forget();
  }

  // From now on the browser remembers, and addresses need not say it.
  function forget() {
    document.querySelector(".viewer .lines")?.classList.remove("wrap", "nowrap");
    for (const link of document.querySelectorAll(".viewer a[href*='wrap=']:not([data-wrap-switch])")) {
      const to = new URL(link.href);
      to.searchParams.delete("wrap");
      link.href = to;
    }
    document.querySelector(".viewer input[name=wrap]")?.remove();
    const here = new URL(location.href);
    here.searchParams.delete("wrap");
    history.replaceState(history.state, "", here);
  }

  function walk(step) {
    const found = [...document.querySelectorAll(".viewer mark")];
    if (!found.length) return;
    found[at]?.classList.remove("here");
    at = (at + step + found.length) % found.length;
    found[at].classList.add("here");
    found[at].scrollIntoView({ block: "nearest" });
    say(`Match ${at + 1} of ${found.length} shown: ${found[at].closest("[id]").textContent.slice(0, 200)}`);
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-wrap-switch]");
    const button = event.target.closest("[data-match]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      wrap(link);
    } else if (button) walk(Number(button.dataset.match));
  });

  document.addEventListener("keydown", (event) => {
    const field = event.target;
    if (event.key !== "Enter" || !field.matches?.("[data-output-search]") || field.value !== field.defaultValue) return;
    event.preventDefault();
    walk(event.shiftKey ? -1 : 1);
  });

  document.addEventListener("DOMContentLoaded", () => {
    const link = document.querySelector("[data-wrap-switch]");
    if (link) label(link);
    if (line && document.querySelector(".viewer .lines") && !document.getElementById(location.hash.slice(1))) {
      const there = new URL(location.href);
      if (there.searchParams.get("line") !== line[1]) {
        for (const name of ["part", "q", "view"]) there.searchParams.delete(name);
        there.searchParams.set("line", line[1]);
        location.replace(there);
      }
    }
    const said = document.querySelector("[data-output-said]");
    if (!said) return;
    say(said.firstChild.data.trim());
  });

  // After the browser went to #output, which takes the focus away. A phone would cover half the page with keys.
  addEventListener("load", () => {
    const field = document.querySelector("[data-output-search]");
    if (field?.value && matchMedia("(pointer: fine)").matches) setTimeout(() => field.focus({ preventScroll: true }));
  });
})();
