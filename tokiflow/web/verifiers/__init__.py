"""How the receiver of a webhook checks its signature, in a few lines to copy. Tests run them."""

from __future__ import annotations

PYTHON = """\
import hashlib, hmac, time

def is_from_tokiflow(secret, header, body):
    parts = dict(part.split("=", 1) for part in header.split(","))
    signed = parts["t"].encode() + b"." + body
    expected = hmac.new(secret.encode(), signed, hashlib.sha256)
    fresh = abs(time.time() - int(parts["t"])) < 300
    return fresh and hmac.compare_digest(expected.hexdigest(), parts["v1"])
"""

NODE = """\
const crypto = require("node:crypto");

function isFromTokiflow(secret, header, body) {
  const parts = Object.fromEntries(header.split(",").map((part) => part.split("=")));
  const expected = crypto.createHmac("sha256", secret).update(`${parts.t}.`).update(body).digest();
  const given = Buffer.from(parts.v1, "hex");
  const fresh = Math.abs(Date.now() / 1000 - Number(parts.t)) < 300;
  return fresh && given.length === expected.length && crypto.timingSafeEqual(given, expected);
}
"""
