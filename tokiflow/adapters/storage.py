"""Where large output lies: a bucket that speaks S3, or a folder of this machine.

Objects are written whole or not at all, and never changed. Whoever calls has no transaction open: a slow store would
hold its locks.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from flask import Flask, current_app

from tokiflow.db import in_transaction
from tokiflow.errors import StorageError
from tokiflow.settings import Settings

BYTES = "application/octet-stream"
CHUNK = 256 * 1024
CONNECT_SECONDS, ANSWER_SECONDS, TRIES = 2, 5, 2
"""The worker that moves outputs also sends alerts, so a store that hangs is not waited for long."""


class Storage(Protocol):
    """All of it may raise StorageError. Keys and prefixes are paths like `output/2026-11-25/…`."""

    def put(self, key: str, data: bytes, content_type: str = BYTES) -> None:
        """When this returns, the object is durable."""

    def put_file(self, key: str, path: Path) -> None:
        """The same, with what is in the file at `path`, which may be larger than memory."""

    def get(self, key: str) -> bytes:
        """The object. Raises StorageError, `missing` if there is none."""

    def chunks(self, key: str) -> Iterator[bytes]:
        """The object, a piece at a time. Raises as `get` does, when the first is asked for."""

    def delete(self, keys: Sequence[str]) -> None:
        """Remove the objects; those that are gone already are fine."""

    def delete_below(self, prefix: str) -> None:
        """Remove every object whose key begins with `prefix`, which ends with a slash."""

    def folders(self, prefix: str) -> list[str]:
        """What stands between `prefix`, which ends with a slash, and the next slash of all keys; sorted."""

    def link(self, key: str, seconds: int, filename: str) -> str | None:
        """An address that saves the object as `filename` for so long; None where browsers can't reach the store."""


def current() -> Storage | None:
    """The store of the current app; None if there is none, and all output stays in its row."""
    if _KEY not in current_app.extensions:
        use(current_app, storage_from(current_app.extensions["tokiflow.settings"]))
    made: Storage | None = current_app.extensions[_KEY]
    return made


def use(app: Flask, storage: Storage | None) -> None:
    """Let `app` keep its outputs in `storage`."""
    app.extensions[_KEY] = storage


def storage_from(settings: Settings) -> Storage | None:
    """The bucket if one is named, else a folder in the data folder, else none."""
    if settings.s3_bucket:
        return S3(
            settings.s3_bucket,
            settings.s3_endpoint_url,
            settings.s3_region,
            settings.s3_access_key_id,
            settings.s3_secret_access_key,
        )
    return Folder(settings.data_dir / "output") if settings.data_dir else None


_KEY = "tokiflow.storage"
_PATH = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*(?:[A-Za-z0-9_-][A-Za-z0-9._-]*)?")


def _checked(path: str) -> str:
    """`path`, which is of our own making. No part of it begins with a dot, so it can lead nowhere else."""
    if in_transaction():
        raise RuntimeError("the store must not be waited for inside a transaction")
    if not path or not _PATH.fullmatch(path):
        raise ValueError(f"not a key of the store: {path!r}")
    return path


class Folder:
    """The local twin: keys are paths below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, data: bytes, content_type: str = BYTES) -> None:
        self._put(key, lambda file: file.write(data))

    def put_file(self, key: str, path: Path) -> None:
        def copy(file: BinaryIO) -> None:
            with path.open("rb") as source:
                shutil.copyfileobj(source, file, CHUNK)

        self._put(key, copy)

    def _put(self, key: str, write: Callable[[BinaryIO], object]) -> None:
        path = self._path(key)
        with _disk_errors():
            _make_durably(path.parent)
            handle, unfinished = tempfile.mkstemp(prefix=".", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    write(file)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(unfinished, path)
            except BaseException:
                Path(unfinished).unlink(missing_ok=True)
                raise
            _sync(path.parent)

    def get(self, key: str) -> bytes:
        with _disk_errors():
            return self._path(key).read_bytes()

    def chunks(self, key: str) -> Iterator[bytes]:
        with _disk_errors(), self._path(key).open("rb") as file:
            while piece := file.read(CHUNK):
                yield piece

    def delete(self, keys: Sequence[str]) -> None:
        with _disk_errors():
            for key in keys:
                self._path(key).unlink(missing_ok=True)

    def delete_below(self, prefix: str) -> None:
        with _disk_errors(), suppress(FileNotFoundError):
            shutil.rmtree(self._path(prefix))

    def folders(self, prefix: str) -> list[str]:
        with _disk_errors(), suppress(FileNotFoundError):
            return sorted(entry.name for entry in self._path(prefix).iterdir() if entry.is_dir())
        return []

    def link(self, key: str, seconds: int, filename: str) -> str | None:
        return None

    def _path(self, key: str) -> Path:
        return self._root / _checked(key)


def _make_durably(folder: Path) -> None:
    """`mkdir -p`, and each new folder is on disk."""
    if folder.is_dir():
        return
    _make_durably(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise StorageError(f"The folder of outputs: {error.strerror}", missing=missing) from error


class S3:
    """A bucket at Amazon, or at whoever else speaks S3 at `endpoint`. Safe for threads.

    Without a key and its secret, boto3 looks for credentials where it always does: environment, profile, machine.
    """

    def __init__(self, bucket: str, endpoint: str = "", region: str = "", key: str = "", secret: str = "") -> None:
        self._bucket, self._endpoint, self._region = bucket, endpoint, region
        self._key, self._secret = key, secret

    @cached_property
    def _client(self) -> Any:
        # Here and not above: boto3 takes some 40 MB, which only who talks to a bucket should pay for.
        import boto3
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=ANSWER_SECONDS,
            retries={"mode": "standard", "total_max_attempts": TRIES},
            signature_version="s3v4",
            # Elsewhere than at Amazon, buckets seldom have a host name of their own, and new checksums are unknown.
            s3={"addressing_style": "path" if self._endpoint else "auto"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        # A session of its own: the one that boto3 shares must not be used by several threads at once.
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self._endpoint or None,
            region_name=self._region or ("us-east-1" if self._endpoint else None),
            aws_access_key_id=self._key or None,
            aws_secret_access_key=self._secret or None,
            config=config,
        )

    def put(self, key: str, data: bytes, content_type: str = BYTES) -> None:
        with _s3_errors():
            self._client.put_object(Bucket=self._bucket, Key=_checked(key), Body=data, ContentType=content_type)

    def get(self, key: str) -> bytes:
        with _s3_errors():
            answer = self._client.get_object(Bucket=self._bucket, Key=_checked(key))
            return bytes(answer["Body"].read())

    def put_file(self, key: str, path: Path) -> None:
        # In parts, where it is large; each is tried again by itself.
        with _s3_errors():
            self._client.upload_file(str(path), self._bucket, _checked(key), ExtraArgs={"ContentType": BYTES})

    def chunks(self, key: str) -> Iterator[bytes]:
        with _s3_errors():
            yield from self._client.get_object(Bucket=self._bucket, Key=_checked(key))["Body"].iter_chunks(CHUNK)

    def delete(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), 1_000):
            objects = [{"Key": _checked(key)} for key in keys[start : start + 1_000]]
            with _s3_errors():
                answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})
            for refused in answer.get("Errors", [])[:1]:
                raise StorageError(f"The bucket of outputs refused to delete: {refused.get('Code')}")

    def delete_below(self, prefix: str) -> None:
        for page in self._listed(prefix):
            self.delete([found["Key"] for found in page.get("Contents", [])])

    def folders(self, prefix: str) -> list[str]:
        pages = self._listed(prefix, Delimiter="/")
        found = [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", [])]
        return sorted(one.removeprefix(prefix).rstrip("/") for one in found)

    def link(self, key: str, seconds: int, filename: str) -> str | None:
        # What speaks plain HTTP is inside somebody's network, and a page that came over TLS may not save from it.
        if self._endpoint.startswith("http:"):
            return None
        asked = {
            "Bucket": self._bucket,
            "Key": key,
            "ResponseContentType": BYTES,
            "ResponseContentDisposition": f'attachment; filename="{filename}"',
        }
        with _s3_errors():
            return str(self._client.generate_presigned_url("get_object", Params=asked, ExpiresIn=seconds))

    def _listed(self, prefix: str, **how: str) -> Iterator[Any]:
        pages = self._client.get_paginator("list_objects_v2")
        with _s3_errors():
            yield from pages.paginate(Bucket=self._bucket, Prefix=_checked(prefix), **how)


@contextmanager
def _s3_errors() -> Iterator[None]:
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {})
        missing = said.get("Code") in ("NoSuchKey", "404")
        raise StorageError(f"The bucket of outputs answered: {said.get('Code', 'nothing')}", missing=missing) from error
    except (BotoCoreError, Boto3Error) as error:
        raise StorageError(f"The bucket of outputs: {type(error).__name__}") from error
