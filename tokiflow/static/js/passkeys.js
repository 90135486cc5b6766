// Passkeys: asks the browser to make one or to sign with one, and sends the form with its answer.
// A form says what is asked for (data-passkey), where the options come from (data-options), and on which origin passkeys
// work (data-origin). With data-conditional, passkeys are also offered where the browser fills in the e-mail address.
(() => {
  const EXCUSES = {
    NotAllowedError: "It was cancelled, or took too long. Press the button to try again.",
    InvalidStateError: "This device or key has a passkey for your account already.",
    ConstraintError: "This device or key can’t ask for your finger, face or PIN, which a passkey needs. Set up a screen lock or a PIN, or use another one.",
    NotSupportedError: "This device or key has no kind of passkey that Tokiflow knows. Use another one.",
  };
  const NONE = "This browser knows no passkeys. Use a newer one, or another way.";
  let waiting = null; // ends the offer in the address field: a browser takes one request at a time

  class Said extends Error {}

  // --- bytes as WebAuthn writes them in JSON (base64url); not every browser has parseCreationOptionsFromJSON yet

  function bytes(text) {
    const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  }

  function text(buffer) {
    const plain = String.fromCharCode(...new Uint8Array(buffer));
    return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }

  function described(list = []) { return list.map((one) => ({ ...one, id: bytes(one.id) })); }

  function parsed(options) {
    const found = { ...options, challenge: bytes(options.challenge) };
    if (options.user) found.user = { ...options.user, id: bytes(options.user.id) };
    if (options.excludeCredentials) found.excludeCredentials = described(options.excludeCredentials);
    if (options.allowCredentials) found.allowCredentials = described(options.allowCredentials);
    return found;
  }

  function answered(credential) {
    const { response } = credential;
    const parts = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (response[name]) parts[name] = text(response[name]);
    }
    if (response.getTransports) parts.transports = response.getTransports();
    return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response: parts });
  }

  // --- asking

  function check(form) {
    if (location.origin !== form.dataset.origin) throw new Said(`Passkeys work at ${form.dataset.origin}, and this page is open at ${location.origin}. Open Tokiflow there.`);
    if (!window.PublicKeyCredential || !navigator.credentials) throw new Said(window.isSecureContext ? NONE : "Passkeys work only over https. Ask whoever runs this Tokiflow.");
  }

  async function optionsFor(form) {
    let answer;
    try {
      answer = await fetch(form.dataset.options, { method: "POST", headers: { "X-CSRFToken": document.querySelector('meta[name="csrf-token"]').content } });
    } catch { throw new Said("Tokiflow can’t be reached. Check your connection, and try again."); }
    // Sent to show again who one is: this page leads there by itself.
    if (answer.redirected) location.reload();
    if (answer.status === 429) throw new Said("That was too often. Wait a few minutes, and try again.");
    if (!answer.ok || answer.redirected) throw new Said("This page is too old. Load it again.");
    return parsed(await answer.json());
  }

  async function fulfil(form, more = {}) {
    const publicKey = await optionsFor(form);
    const credential = await navigator.credentials[form.dataset.passkey]({ publicKey, ...more });
    form.elements.credential.value = answered(credential);
    form.submit();
  }

  function say(form, error) {
    const place = form.querySelector("[data-passkey-said]");
    place.textContent = error instanceof Said ? error.message : EXCUSES[error.name] ?? (error.name === "SecurityError" ? `The browser allows no passkeys at ${location.origin}.` : `The browser could not do it (${error.name}). Try again, or use another way.`);
    place.hidden = false;
  }

  async function press(event) {
    const form = event.target;
    event.preventDefault();
    if (form.dataset.busy) return;
    form.dataset.busy = "yes";
    form.querySelector("[data-passkey-said]").hidden = true;
    waiting?.abort();
    try {
      check(form);
      await fulfil(form);
    } catch (error) {
      say(form, error);
    } finally { delete form.dataset.busy; }
  }

  async function offer(form) {
    try {
      check(form);
      if (!await PublicKeyCredential.isConditionalMediationAvailable?.()) return;
      document.querySelector('input[autocomplete="email"]')?.setAttribute("autocomplete", "email webauthn");
      waiting = new AbortController();
      await fulfil(form, { mediation: "conditional", signal: waiting.signal });
    } catch { /* only an offer: the button says what is wrong */ }
  }

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.addEventListener("submit", press);
    if ("conditional" in form.dataset) offer(form);
  }
})();
