"""The one table of roles and rights."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tokiflow.core import roles
from tokiflow.core.roles import Right, Role

OWNER, ADMIN, MEMBER, VIEWER = Role


def test_every_right_has_a_sentence_and_every_role_a_few_words() -> None:
    assert list(roles.SENTENCES) == list(Right)
    assert list(roles.IN_SHORT) == list(Role)
    assert len(set(roles.SENTENCES.values())) == len(Right)


def test_each_role_may_do_all_that_the_next_may() -> None:
    ladder = [roles.RIGHTS[role] for role in Role]
    assert all(below < above for above, below in pairwise(ladder))


def test_an_owner_may_do_everything_and_a_viewer_only_looks() -> None:
    assert roles.RIGHTS[OWNER] == set(Right)
    assert roles.RIGHTS[VIEWER] == {Right.SEE}


@pytest.mark.parametrize(
    ("role", "managed"), [(OWNER, set(Role)), (ADMIN, {ADMIN, MEMBER, VIEWER}), (MEMBER, set()), (VIEWER, set())]
)
def test_only_owners_make_owners(role: Role, managed: set[Role]) -> None:
    assert roles.manages(role) == managed


@pytest.mark.parametrize(
    ("before", "after", "less"),
    [(OWNER, ADMIN, True), (ADMIN, OWNER, False), (MEMBER, MEMBER, False), (MEMBER, VIEWER, True)],
)
def test_a_lower_role_may_do_less(before: Role, after: Role, less: bool) -> None:
    assert roles.loses(before, after) is less
