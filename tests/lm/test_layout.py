"""The layout of a sample: prefix, positions of keys and queries, and mask."""

import numpy as np
import pytest

from reelm.errors import RequestError
from reelm.lm.layout import Layout
from reelm.lm.prefix import Prefix
from reelm.lm.specials import CUT, FILLER, SPECIALS, prefix_ids

LAYOUT = Layout(prefix=6, frames=2, rows=2, columns=3)


def prefix(**change):
    fields = {"rows": 2, "columns": 3, "fps": 8.0, "text": [SPECIALS + 5, SPECIALS + 7], "length": 8} | change
    return prefix_ids(**fields)


def test_prefix_is_filled_to_its_bucket():
    ids = prefix()
    assert ids.shape == (8,)
    assert list(ids[4:6]) == [SPECIALS + 5, SPECIALS + 7] and (ids[6:] == FILLER).all()
    assert (ids[:4] != FILLER).all()


def test_each_field_has_its_own_ids():
    seen = [prefix(**change) for change in ({}, {"rows": 3}, {"columns": 2}, {"fps": 2.0})]
    words = Prefix.of_words(seen[0][None], 2, 3)
    seen += [np.asarray(each.words[0]) for each in (words.continuing(), words.continuing(CUT))]
    assert len({tuple(ids) for ids in seen}) == len(seen)


@pytest.mark.parametrize("change", [{"text": [0] * 5}, {"rows": 64}, {"fps": 0.1}])
def test_what_the_prefix_cannot_say_is_refused(change):
    with pytest.raises(RequestError):
        prefix(**change)


def test_each_slot_aims_at_what_the_next_one_holds():
    np.testing.assert_array_equal(LAYOUT.query_positions[5:-1], LAYOUT.key_positions[6:])
    np.testing.assert_array_equal(LAYOUT.query_positions[-1], [2, 0, 0])  # the first code of the frame after
    np.testing.assert_array_equal(LAYOUT.key_positions[6 + 5], [0, 1, 2])  # raster order


def test_text_stands_at_the_same_place_in_every_bucket():
    longer = Layout(prefix=9, frames=2, rows=2, columns=3)
    np.testing.assert_array_equal(longer.key_positions[:6], LAYOUT.key_positions[:6])


def test_given_pictures_stand_before_the_words_and_move_nothing_else():
    with_pictures = Layout(prefix=6, frames=2, rows=2, columns=3, given_pictures=2)
    assert with_pictures.before == 2 * 6 + 6 and with_pictures.slots == LAYOUT.slots + 12
    np.testing.assert_array_equal(with_pictures.key_positions, LAYOUT.key_positions)
    np.testing.assert_array_equal(with_pictures.query_positions, LAYOUT.query_positions)
    assert with_pictures.mask[:18, :18].all() and not with_pictures.mask[:18, 18:].any()
    np.testing.assert_array_equal(with_pictures.mask[12:, 12:], LAYOUT.mask)


def test_mask_is_full_over_the_prefix_and_causal_after_it():
    mask = LAYOUT.mask
    assert mask[:6, :6].all() and not mask[:6, 6:].any()
    np.testing.assert_array_equal(mask[6:], np.tri(12, 18, 6, dtype=bool))
