"""What a browser says it is, in words."""

from __future__ import annotations

import pytest

from tokiflow.core import devices

MOZILLA = "Mozilla/5.0 "
WEBKIT = " AppleWebKit/537.36 (KHTML, like Gecko) "


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (MOZILLA + "(X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (MOZILLA + "(Windows NT 10.0; Win64; x64)" + WEBKIT + "Chrome/142.0.0.0 Safari/537.36", "Chrome on Windows"),
        (MOZILLA + "(Windows NT 10.0)" + WEBKIT + "Chrome/142.0 Safari/537.36 Edg/142.0", "Edge on Windows"),
        (MOZILLA + "(Macintosh; Intel Mac OS X 10_15_7)" + WEBKIT + "Version/18 Safari/605.1.15", "Safari on a Mac"),
        (
            MOZILLA + "(iPhone; CPU iPhone OS 18_0 like Mac OS X)" + WEBKIT + "Version/18 Mobile Safari/604.1",
            "Safari on an iPhone",
        ),
        (MOZILLA + "(iPhone; CPU iPhone OS 18_0 like Mac OS X) CriOS/142 Safari/604.1", "Chrome on an iPhone"),
        (
            MOZILLA + "(Linux; Android 15; SM-S921B)" + WEBKIT + "SamsungBrowser/28 Chrome/130",
            "Samsung Internet on Android",
        ),
        (MOZILLA + "(Linux; Android 15; Pixel 9)" + WEBKIT + "Chrome/142.0 Mobile Safari/537.36", "Chrome on Android"),
        (MOZILLA + "(X11; CrOS x86_64 16000)" + WEBKIT + "Chrome/142.0 Safari/537.36", "Chrome on ChromeOS"),
        ("curl/8.5.0", ""),
        ("", ""),
        ("something on a iPad", "iPad"),
        ("<script>alert(1)</script>Firefox/1", "Firefox"),
    ],
)
def test_a_browser_is_told_in_words_of_our_own(user_agent, words):
    assert devices.describe(user_agent) == words
