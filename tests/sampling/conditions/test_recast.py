"""Subjects are found and followed by what sets them apart, and take the form of others where they stand."""

import numpy as np
import pytest

from reelm.sampling.conditions.recast import followed, moved, nearest, recast, recognised, subjects

BAR = np.zeros((20, 24, 3), np.uint8)
BAR[9:12, 3:20] = (30, 250, 30)


def test_subjects_stand_apart_the_largest_first_and_specks_are_none():
    frame = np.full((40, 60, 3), 9, np.uint8)
    frame[2:12, 3:13], frame[10:30, 30:50], frame[35, 5] = 200, (0, 90, 0), 255
    assert subjects(frame).tolist() == [[10, 30, 30, 50], [2, 3, 12, 13]]
    assert subjects(np.full((40, 60, 3), 9, np.uint8)).shape == (0, 4)


def test_subjects_that_touch_are_told_apart_by_their_colours():
    frame = np.zeros((40, 60, 3), np.uint8)
    frame[10:30, 10:30], frame[10:30, 30:40], frame[20:24, 26:30] = (250, 0, 0), (0, 0, 250), (120, 0, 0)
    assert subjects(frame).tolist() == [[10, 10, 30, 30], [10, 30, 30, 40]]


def test_a_subject_is_followed_back_from_the_last_frame():
    frames = np.zeros((3, 40, 60, 3), np.uint8)
    for at, frame in enumerate(frames):
        frame[10 + at : 20 + at, 8 + 2 * at : 14 + 2 * at] = (250, 0, 0)
        frame[25:30, 40 - at : 46 - at] = (0, 0, 250)
    boxes = followed(frames)
    assert boxes[:, 0].tolist() == [[10 + at, 8 + 2 * at, 20 + at, 14 + 2 * at] for at in range(3)]
    assert boxes[:, 1].tolist() == [[25, 40 - at, 30, 46 - at] for at in range(3)]
    frames[1] = 0  # where there is none, it is where the last frame has it
    assert followed(frames)[1].tolist() == boxes[-1].tolist()


@pytest.mark.parametrize("colour", [(250, 0, 0), (0, 0, 120)])
def test_a_subject_keeps_its_place_and_hue_and_takes_the_form(colour):
    frames = np.full((2, 48, 64, 3), 5, np.uint8)
    frames[:, 10:30, 20:28], frames[:, 36:44, 50:60] = colour, (250, 250, 0)
    boxes = followed(frames)
    at = [number for number in range(2) if boxes[0, number, 0] == 10]
    made = recast(frames, boxes[:, at], [BAR])
    np.testing.assert_array_equal(made[:, 34:], frames[:, 34:])  # the other one stays
    inside = np.argwhere((made[0, :34] != 5).any(axis=-1))
    assert inside.min(axis=0).tolist() == [18, 14] and inside.max(axis=0).tolist() == [
        21,
        33,
    ]  # 20 long, as it was high
    seen = made[0, 20, 24].astype(int) - 5
    assert (np.sign(seen) == np.sign(np.array(colour) - 5)).all() and abs(seen).max() > 200  # as in the picture
    np.testing.assert_array_equal(recast(frames, boxes[:, at], [None])[:, :34], frames[:, :34] * 0 + 5)


def test_forms_are_recognised_in_any_colour():
    frame = np.zeros((64, 64, 3), np.uint8)
    frame[5:9, 30:50], frame[20:40, 10:14], frame[50:60, 40:50] = (0, 0, 250), (250, 0, 0), (0, 90, 0)
    boxes, upright = subjects(frame), BAR.transpose(1, 0, 2)
    top, left = boxes[:, 0].tolist().index(5), boxes[:, 0].tolist().index(20)
    assert recognised(frame, boxes, [upright, BAR]) == [(0, left), (1, top)]
    assert recognised(frame, boxes[[top]], [upright, BAR]) == [(1, 0)]


def test_a_subject_is_moved_as_it_is_in_front_of_what_is_there():
    frames = np.zeros((2, 40, 60, 3), np.uint8)
    frames[:, 5:15, 8:16], frames[:, 25:30, 40:46] = (250, 0, 0), (0, 0, 120)
    boxes = followed(frames)
    at = nearest(frames[0], boxes[0], np.array([0.1, 0.3]))
    assert boxes[0, at].tolist() == [5, 8, 15, 16]
    places = np.array([[42 / 60, 30 / 40], [59 / 60, 20 / 40]])  # on the other one; half beyond the border
    made = moved(frames, boxes[:, at], places)
    wanted = np.zeros_like(frames)
    wanted[:, 25:30, 40:46] = (0, 0, 120)
    wanted[0, 25:35, 38:46], wanted[1, 15:25, 55:60] = (250, 0, 0), (250, 0, 0)
    np.testing.assert_array_equal(made, wanted)
