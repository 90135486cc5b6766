"""What the best judge could find: where there is a formula for it, that."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from bench import at_best


@pytest.mark.parametrize("scatter", [0.1, 0.15, 0.3])
@pytest.mark.parametrize("chance", [1 / 365, 1 / 525_600])
@pytest.mark.parametrize("factor", [3.0, 1 / 5])
def test_of_a_lognormal_it_is_a_threshold(scatter, chance, factor):
    beyond = stats.norm.cdf(abs(math.log(factor)) / scatter - stats.norm.isf(chance))
    assert at_best.found(at_best.lognormal, scatter, factor, chance) == pytest.approx(beyond, abs=0.003)


def test_in_a_pareto_tail_nothing_is_found_but_what_is_below_its_least():
    assert at_best.found(at_best.heavy, 0.1, 3.0, 1 / 365) == pytest.approx(3**3 / 365, abs=1e-3)
    assert at_best.found(at_best.heavy, 0.1, 1 / 5, 1e-9) == pytest.approx(1 - 5**-3, abs=2e-3)


def test_what_lands_on_the_other_way_cannot_be_found():
    assert at_best.found(at_best.bimodal, 0.15, 1 / 5, 1 / 8760) < 0.75
    assert at_best.found(at_best.bimodal, 0.01, 1 / 5, 1 / 8760) > 0.99


@pytest.mark.parametrize("density", [at_best.steady, at_best.lognormal, at_best.bimodal, at_best.heavy])
def test_the_densities_are_densities(density):
    step = at_best.STEP
    places = [at_best.FROM + number * step for number in range(round((at_best.TO - at_best.FROM) / step))]
    assert sum(density(u, 0.1) for u in places) * step == pytest.approx(1, abs=0.005)
