from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from agbench.core import metric
from agbench.core.errors import UserError
from agbench.core.metric import ACCURACY, METRICS, Predicted, scores_of


@st.composite
def predictions(draw, fewest=2, ties=False):
    """Predictions of up to eighty images, each class among the labels of at least one."""
    count, seed = draw(st.integers(fewest, 9)), draw(st.integers(0, 10**6))
    generator = np.random.default_rng(seed)
    labels = generator.permutation([*range(count), *generator.integers(0, count, draw(st.integers(0, 70)))])
    signal = draw(st.sampled_from([0.0, 1.0, 4.0])) * np.eye(count)[labels]
    powers = np.exp(signal + generator.normal(size=(len(labels), count)))
    shares = np.round(powers, 1) + 0.1 if ties else powers
    return of(labels, shares / shares.sum(axis=1, keepdims=True))


def of(labels, shares):
    return Predicted(labels, shares.argmax(axis=1), shares)


@settings(max_examples=50)
@given(predictions())
def test_values_are_those_of_scikit_learn(found):
    labels, predicted, shares = found.labels, found.predicted, found.probabilities
    classes = range(shares.shape[1])
    values = {name: score.value for name, score in scores_of(found).items()}
    expected = {
        "accuracy": sklearn.accuracy_score(labels, predicted),
        "balanced_accuracy": sklearn.balanced_accuracy_score(labels, predicted),
        "f1_macro": sklearn.f1_score(labels, predicted, average="macro", labels=[*classes]),
        "log_loss": sklearn.log_loss(labels, np.maximum(shares, metric.CLIP), labels=[*classes]),
        "roc_auc": sklearn.roc_auc_score(labels, shares[:, 1])
        if len(classes) == 2
        else sklearn.roc_auc_score(labels, shares, multi_class="ovr"),
    }
    if len(classes) > 5:
        expected["top_5_accuracy"] = sklearn.top_k_accuracy_score(labels, shares, k=5, labels=[*classes])
    # Raised to the least probability, those of an image don't add up to 1; scikit-learn only warns of that.
    assert {name: values[name] for name in expected} == pytest.approx(expected)
    assert set(values) == {*expected, "calibration_error"}


@settings(max_examples=50)
@given(predictions(fewest=6, ties=True))
def test_ties_count_as_in_scikit_learn(found):
    classes = [*range(found.probabilities.shape[1])]
    expected = sklearn.top_k_accuracy_score(found.labels, found.probabilities, k=5, labels=classes)
    assert METRICS["top_5_accuracy"].score(found).value == pytest.approx(expected)
    expected = sklearn.roc_auc_score(found.labels, found.probabilities, multi_class="ovr")
    assert METRICS["roc_auc"].score(found).value == pytest.approx(expected)


@given(predictions())
def test_the_calibration_error_is_that_of_its_bins(found):
    confidence, right = found.probabilities.max(axis=1), found.right
    expected = 0.0
    for number in range(15):
        inside = (confidence > number / 15) & (confidence <= (number + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert METRICS["calibration_error"].score(found).value == pytest.approx(expected)


@given(predictions())
def test_influences_have_a_mean_of_zero(found):
    for name, score in scores_of(found).items():
        assert score.influence.mean() == pytest.approx(0, abs=1e-9), name


@pytest.mark.parametrize("name", METRICS)
def test_influences_are_what_leaving_out_an_image_changes(name):
    """The jackknife: the value without an image differs by its influence, of the number of images, nearly."""
    generator = np.random.default_rng(3)
    labels = generator.permutation(np.arange(900) % 7)
    powers = np.exp(1.2 * np.eye(7)[labels] + generator.normal(size=(900, 7)))
    shares = powers / powers.sum(axis=1, keepdims=True)
    whole = METRICS[name].score(of(labels, shares))
    assert whole is not None
    for image in range(0, 900, 90):
        rest = np.arange(900) != image
        left = METRICS[name].score(of(labels[rest], shares[rest]))
        change = (whole.value - left.value) * 899
        assert change == pytest.approx(whole.influence[image], abs=0.03 * whole.largest)
        assert abs(change) <= whole.largest + 1e-9


def test_the_other_metrics_need_probabilities():
    labels = np.array([0, 1, 2, 0])
    assert [*scores_of(Predicted(labels, labels))] == ["accuracy", "balanced_accuracy", "f1_macro"]


def test_a_class_without_test_images_counts_in_no_mean():
    labels, predicted = np.array([0, 0, 2, 2]), np.array([0, 1, 2, 2])
    found = Predicted(labels, predicted, np.eye(3)[predicted])
    assert METRICS["balanced_accuracy"].score(found).value == 0.75
    assert METRICS["f1_macro"].score(found).value == pytest.approx((2 / 3 + 1) / 2)
    assert METRICS["roc_auc"].score(found).value == pytest.approx((0.75 + 1) / 2)


def test_one_class_alone_has_no_auc():
    labels = np.zeros(3, int)
    assert METRICS["roc_auc"].score(of(labels, np.full((3, 2), 0.5))) is None


def test_log_loss_stays_finite():
    labels = np.array([0, 1])
    found = METRICS["log_loss"].score(of(labels, np.array([[0.0, 1.0], [0.0, 1.0]])))
    assert found.value == pytest.approx(-np.log(np.finfo(np.float16).eps) / 2)


@given(st.floats(-1, 1))
def test_what_is_excluded_does_not_become_smaller_by_rounding(value):
    for one in METRICS.values():
        number = float(one.amount(value, is_bound=True).split()[0])
        assert number * (0.01 if one.unit == "points" else 1) >= value - 1e-7


def test_a_wrong_name_gets_the_right_ones():
    with pytest.raises(UserError, match=r"no metric called 'acc': .*known: accuracy, balanced_accuracy"):
        metric.find_metric("acc")
    assert metric.find_metric("accuracy") is ACCURACY
