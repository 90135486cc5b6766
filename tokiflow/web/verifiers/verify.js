const crypto = require("node:crypto");

const TOLERANCE = 300; // seconds

// header: Tokiflow-Signature. body: a Buffer, as it came, not parsed.
function isFromTokiflow(secret, header, body) {
  const fields = header.split(",").map((part) => part.split("="));
  const values = (name) => fields.filter((field) => field[0] === name).map((field) => field[1] ?? "");
  const times = values("t");
  if (times.length !== 1 || !/^[0-9]{1,12}$/.test(times[0])) return false;
  if (Math.abs(Date.now() / 1000 - Number(times[0])) > TOLERANCE) return false;
  const expected = Buffer.from(
    crypto.createHmac("sha256", secret).update(`${times[0]}.`).update(body).digest("hex"),
  );
  // While the secret is changed there are two signatures: one is enough.
  return values("v1").some((value) => {
    const given = Buffer.from(value);
    return given.length === expected.length && crypto.timingSafeEqual(given, expected);
  });
}

module.exports = { isFromTokiflow };
