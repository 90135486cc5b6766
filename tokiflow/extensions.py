"""Flask's extensions, made here and bound to the app in `app.create_app`."""

from __future__ import annotations

from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_wtf import CSRFProtect

csrf = CSRFProtect()
login = LoginManager()
limiter = Limiter(key_func=get_remote_address, headers_enabled=False)
