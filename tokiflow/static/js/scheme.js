// Runs before the first paint: the chosen light or dark, and the mark that JavaScript is here.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const scheme = localStorage.getItem("tokiflow.scheme");
    if (scheme) root.dataset.scheme = scheme;
  } catch { /* storage refused: the system's scheme it is */ }
})();
