import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.sinks.bars import gauge, slots, stretch
from probe.sinks.wording import ASCII
from tests.factories import span


def test_a_stretch_stands_where_it_happened() -> None:
    assert stretch(span(2.0, 3.0), span(0.0, 10.0), 10, "=") == "  ===     "


def test_a_short_stretch_has_one_cell_and_a_late_one_the_last() -> None:
    assert stretch(span(0.0, 0.0), span(0.0, 9.0), 3, "=") == "=  "
    assert stretch(span(9.0, 0.0), span(0.0, 9.0), 3, "=") == "  ="
    assert stretch(span(1.0, 0.0), span(1.0, 0.0), 3, "=") == "=  "


@pytest.mark.parametrize(
    ("share", "shown"), [(0.0, "...."), (0.5, "==.."), (1.0, "===="), (7.0, "===="), (-1.0, "....")]
)
def test_a_gauge_is_as_long_as_its_budget(share: float, shown: str) -> None:
    assert gauge(share, 4, "=", ".") == shown


@pytest.mark.parametrize(
    ("others", "held", "usable", "shown"),
    [
        (4, 3, 20, "##==......"),
        (0, 0, 20, ".........."),
        (0, 1, 500, "=........."),
        (20, 0, 20, "##########"),
        (5, 5, 0, "##########"),
        (-3, 20, 20, "========.."),
    ],
)
def test_slots_show_those_of_others_ours_and_the_free_ones(
    others: int, held: int, usable: int, shown: str
) -> None:
    assert slots(others, held, usable, 10, ASCII) == shown


@given(st.integers(-100, 1000), st.integers(0, 1000), st.integers(-5, 1000), st.integers(8, 120))
def test_slots_fill_their_cells_whatever_the_server_says(
    others: int, held: int, usable: int, cells: int
) -> None:
    assert len(slots(others, held, usable, cells, ASCII)) == cells
