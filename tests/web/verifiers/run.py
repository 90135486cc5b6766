"""Reads cases and prints the answers of the verifier that lies beside it, both as JSON."""

import base64
import json
import sys

from verify import is_from_tokiflow  # type: ignore[import-not-found]

cases = json.load(sys.stdin)
print(json.dumps([is_from_tokiflow(one["secret"], one["header"], base64.b64decode(one["body"])) for one in cases]))
