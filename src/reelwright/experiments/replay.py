"""Other vendors' own cases and worked numbers run through our code: what `bench` counts and the tests assert."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reelwright.experiments.core.analysis import checks, effects
from reelwright.experiments.core.analysis.effects import Arm
from reelwright.experiments.core.analysis.looks import bounds
from reelwright.experiments.core.analysis.moments import Moments, from_sums
from reelwright.experiments.core.importers import growthbook as gb
from reelwright.experiments.core.importers.conditions import holds
from reelwright.experiments.core.importers.unleash import Unleash

Case = tuple[str, bool, str]
"""(name, whether it passed, what was seen and expected)."""


def growthbook_cases(path: Path) -> Iterator[Case]:
    """The cross-language cases of GrowthBook's SDKs: one `cases.json`."""
    document = json.loads(path.read_text("utf-8"))
    for kind, cases in document.items():
        if isinstance(cases, list):
            for number, case in enumerate(cases):
                seen, expected = _GROWTHBOOK[kind](case)
                passed = json.dumps(seen, sort_keys=True) == json.dumps(expected, sort_keys=True)
                yield f"{kind} {number}: {case[0]}", passed, f"saw {seen!r}, expected {expected!r}"


def unleash_cases(folder: Path) -> Iterator[Case]:
    """Unleash's client specification: a folder of specifications and their `index.json`."""
    for name in json.loads((folder / "index.json").read_text("utf-8")):
        specification = json.loads((folder / name).read_text("utf-8"))
        flags = Unleash(specification["state"], strict=False)
        for test in specification.get("tests", ()):
            seen: Any = flags.enabled(test["toggleName"], test["context"], now_ms=_NOW_MS)
            yield _case(name, test, seen)
        for test in specification.get("variantTests", ()):
            yield _case(name, test, flags.variant(test["toggleName"], test["context"], now_ms=_NOW_MS))


_NOW_MS = 1_760_000_000_000


def _case(name: str, test: Mapping[str, Any], seen: Any) -> Case:
    expected = test["expectedResult"]
    return f"{name}: {test['description']}", seen == expected, f"saw {seen!r}, expected {expected!r}"


def _number(value: Any) -> Any:
    """Whole numbers are written without a point, as JavaScript writes them."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list | tuple):
        return [_number(one) for one in value]
    if isinstance(value, dict):
        return {key: _number(one) for key, one in value.items()}
    return value


def _run(case: list[Any]) -> tuple[Any, Any]:
    result = gb.GrowthBook(case[1]).run(case[2])
    return _number([result["value"], result["inExperiment"], result["hashUsed"]]), _number(case[3:6])


def _feature(case: list[Any]) -> tuple[Any, Any]:
    return _number(gb.GrowthBook(case[1]).evaluate(case[2])), _number(case[3])


def _sticky(case: list[Any]) -> tuple[Any, Any]:
    attributes = case[1].get("attributes", {})
    documents = {
        f"{one['attributeName']}||{one['attributeValue']}": one
        for one in case[2]
        if str(attributes.get(one["attributeName"])) == one["attributeValue"]
    }
    found = gb.GrowthBook(case[1], sticky=documents).evaluate(case[3]).get("experimentResult")
    return _number([found, documents]), _number([case[4], case[5]])


def _redirect(case: list[Any]) -> tuple[Any, Any]:
    book = gb.GrowthBook(case[1])
    for experiment in case[1]["experiments"]:
        result = book.run(experiment)
        if result["inExperiment"] and result["value"].get("urlRedirect"):
            target = result["value"]["urlRedirect"]
            url = gb.redirect(experiment, result, case[1]["url"])
            return [{"inExperiment": True, "urlRedirect": target, "urlWithParams": url}], case[2]
    return [], case[2]


def _ranges(case: list[Any]) -> tuple[Any, Any]:
    count, coverage, weights = case[1]
    seen = [[round(one, 6) for one in pair] for pair in gb.bucket_ranges(count, coverage, weights)]
    return _number(seen), _number([[round(one, 6) for one in pair] for pair in case[2]])


_GROWTHBOOK: Mapping[str, Callable[[list[Any]], tuple[Any, Any]]] = {
    "evalCondition": lambda case: (holds(case[2], case[1], case[4] if len(case) > 4 else {}), case[3]),
    "hash": lambda case: (_number(gb.bucket(case[0], case[1], case[2])), _number(case[3])),
    "getBucketRange": _ranges,
    "feature": _feature,
    "contextualBandit": _feature,
    "run": _run,
    "chooseVariation": lambda case: (gb.choose(case[1], case[2]), case[3]),
    "getQueryStringOverride": lambda case: (gb.query_override(case[1], case[2], case[3]), case[4]),
    "inNamespace": lambda case: (gb.in_namespace(case[1], case[2]), case[3]),
    "getEqualWeights": lambda case: (
        _number([round(one, 8) for one in gb.equal_weights(case[0])]),
        _number([round(one, 8) for one in case[1]]),
    ),
    "decrypt": lambda case: (gb.decrypt(case[1], case[2]), case[3]),
    "stickyBucket": _sticky,
    "urlRedirect": _redirect,
}


def worked_cases(folder: Path) -> Iterator[Case]:
    """Worked numbers of gbstats, GrowthBook, Spotify's confidence and confseq, where our method is the same.

    A quantity that we do not have is left out, so that the number of cases says what is covered.
    """
    for path in sorted(folder.glob("gbstats_*.json")):
        for case in json.loads(path.read_text("utf-8"))["cases"]:
            for number, call in enumerate(case.get("calls", ())):
                found = _post_stratified(call) or _gbstats(call)
                if found is not None:
                    loose = _keeps_covariance(call)
                    yield _close(f"{path.stem} {case['id']} {number}", *found, 2e-5 if loose else 1e-9)
    yield from _srm_cases(folder)
    yield from _power_cases(folder)
    yield from _look_cases(folder)
    yield from _mixture_cases(folder)


_Pair = tuple[list[float], list[float]]


def _close(name: str, seen: list[float], expected: list[float], tolerance: float = 1e-9) -> Case:
    passed = bool(np.allclose(seen, expected, rtol=tolerance, atol=tolerance * 1e-3, equal_nan=True))
    return name, passed, f"saw {seen}, expected {expected}"


def _gbstats(call: Mapping[str, Any]) -> _Pair | None:
    """Ours and theirs of one call; None where it is not a test of one pair of arms."""
    name, given, output = call["call"], call.get("init"), call.get("output")
    if not name.endswith(".compute_result") or not isinstance(given, dict) or not isinstance(output, dict):
        return None
    kind, config = name.split(".")[0], given.get("config") or {}
    pairs: list[Any] = given.get("stats") or []
    if kind not in _TESTS or len(pairs) != 1 or config.get("post_stratify") or output.get("errorMessage"):
        return None
    arms = _arms(*pairs[0])
    if arms is None:
        return None
    found = effects.effect(*arms, relative=config.get("difference_type", "relative") == "relative")
    if kind == "EffectBayesianABTest":
        return _bayesian(found, config, output, arms)
    bounds = _bounds(kind, found, config)
    if bounds is None:
        return None
    seen = [float(one) for one in (found.estimate, found.error, bounds.low, bounds.high)]
    expected = [output["expected"], output["uplift"]["stddev"], *output["ci"]]
    if not kind.startswith("SequentialOneSided"):
        seen.append(float(bounds.p))
        expected.append(output["pValue"])
    return seen, [float(str(one).replace("Infinity", "inf")) for one in expected]


def _post_stratified(call: Mapping[str, Any]) -> _Pair | None:
    """Of means and of ratios without their past; of a negative control theirs takes the magnitude, ours the sign."""
    output: Any = call.get("output")
    if call["call"] != "EffectMomentsPostStratification.compute_result" or output.get("error_message"):
        return None
    strata = [tuple(_plain_moments(one) for one in pair) for pair in call["init"]["stats"]]
    if any(one is None or one.n < 2 or one.total[0] < 0 for pair in strata for one in pair):
        return None
    pairs: Any = strata
    relative = call["init"]["config"]["difference_type"] == "relative"
    found = effects.post_stratified(pairs, ratio=pairs[0][0].total.shape[-1] == 2, relative=relative)
    return [float(found.estimate), float(found.error)], [output["point_estimate"], output["standard_error"]]


def _plain_moments(given: Mapping[str, Any]) -> Moments | None:
    if given["type"] == "SampleMeanStatistic":
        return _moments(given, (given,))
    if given["type"] == "RatioStatistic":
        return _moments(given, (given["m_statistic"], given["d_statistic"]), {(0, 1): given["m_d_sum_of_products"]})
    return None


def _keeps_covariance(call: Mapping[str, Any]) -> bool:
    """Relative CUPED of means: ours keeps the covariance of level and difference; theirs agrees to 2e-5."""
    config = call["init"].get("config") or {}
    adjusted = call["init"]["stats"][0][0]["type"] == "RegressionAdjustedStatistic"
    return bool(adjusted) and config.get("difference_type", "relative") == "relative"


_TESTS = {
    "TwoSidedTTest": "both",
    "OneSidedTreatmentGreaterTTest": "greater",
    "OneSidedTreatmentLesserTTest": "less",
    "SequentialTwoSidedTTest": "both",
    "EffectBayesianABTest": "",
}


def _bounds(kind: str, found: effects.Effect, config: Mapping[str, Any]) -> effects.Interval | None:
    alpha, null = config.get("alpha", 0.05), config.get("test_value", 0)
    if kind == "SequentialTwoSidedTTest":
        rho = config.get("rho") or effects.best_rho(config.get("sequential_tuning_parameter", 5000), alpha=alpha)
        return effects.anytime(found, rho=rho, alpha=alpha, null=null)
    side: Any = _TESTS[kind]
    return effects.interval(found, alpha=alpha, side=side, null=null)


def _bayesian(
    found: effects.Effect, config: Mapping[str, Any], output: Mapping[str, Any], arms: tuple[Arm, Arm]
) -> _Pair | None:
    prior = config.get("prior_effect") or {"mean": 0, "variance": 1, "proper": False}
    variance = prior["variance"] if prior["proper"] else float("inf")
    mean = prior["mean"]
    if prior["proper"] and (config.get("prior_type") == "relative") != (config.get("difference_type") == "relative"):
        mean, variance = mean * float(arms[0].level), variance * float(arms[0].level) ** 2
    credible, wins, _ = effects.bayesian(
        found, prior_mean=mean, prior_variance=variance, alpha=config.get("alpha", 0.05)
    )
    if config.get("inverse"):
        wins = 1 - wins
    seen = [float(one) for one in (credible.low, credible.high, wins)]
    return seen, [*map(float, output["ci"]), float(output["chanceToWin"])]


def _arms(control: Mapping[str, Any], treatment: Mapping[str, Any]) -> tuple[Arm, Arm] | None:
    kind = control["type"]
    if kind != treatment["type"] or min(control["n"], treatment["n"]) < 2:
        return None
    pair = (control, treatment)
    if kind == "SampleMeanStatistic":
        one, other = (effects.mean_arm(_moments(x, (x,))) for x in pair)
    elif kind == "ProportionStatistic":
        one, other = (effects.proportion_arm(x["n"], x["sum"]) for x in pair)
    elif kind == "RatioStatistic":
        one, other = (
            effects.ratio_arm(_moments(x, (x["m_statistic"], x["d_statistic"]), {(0, 1): x["m_d_sum_of_products"]}))
            for x in pair
        )
    elif kind == "RegressionAdjustedStatistic" and control["pre_statistic"]["type"] == "SampleMeanStatistic":
        products = [{(0, 1): x["post_pre_sum_of_products"]} for x in pair]
        parts = [
            _moments(x, (x["post_statistic"], x["pre_statistic"]), y) for x, y in zip(pair, products, strict=True)
        ]
        one, other = effects.cuped_arms(*parts)
    elif kind == "RegressionAdjustedRatioStatistic":
        one, other = effects.cuped_arms(*(_ratio_moments(x) for x in pair), ratio=True)
    else:
        return None
    return one, other


def _ratio_moments(given: Mapping[str, Any]) -> Moments:
    parts = tuple(
        given[name] for name in ("m_statistic_post", "d_statistic_post", "m_statistic_pre", "d_statistic_pre")
    )
    names = {(0, 1): "m_post_d_post", (0, 2): "m_post_m_pre", (0, 3): "m_post_d_pre", (1, 2): "m_pre_d_post"}
    names |= {(1, 3): "d_post_d_pre", (2, 3): "m_pre_d_pre"}
    return _moments(given, parts, {at: given[f"{name}_sum_of_products"] for at, name in names.items()})


def _moments(
    given: Mapping[str, Any], parts: tuple[Mapping[str, Any], ...], products: Mapping[tuple[int, int], float] = {}
) -> Moments:
    squares = {(at, at): one.get("sum_squares", one["sum"]) for at, one in enumerate(parts)}
    return from_sums(given["n"], [one["sum"] for one in parts], {**squares, **products})


def _srm_cases(folder: Path) -> Iterator[Case]:
    for case in _document(folder / "growthbook_srm.json"):
        if len(case["users"]) != len(case["weights"]):  # refused by us, where GrowthBook says 1
            continue
        seen = float(checks.sample_ratio(case["users"], case["weights"]))
        passed = abs(seen - case["p_value"]) <= 0.5 * 10 ** -case["decimals"]
        yield f"growthbook_srm {case['id']}", passed, f"saw {seen}, expected {case['p_value']}"


def _power_cases(folder: Path) -> Iterator[Case]:
    for case in _document(folder / "spotify_power_and_sample_size.json"):
        for call in case.get("calls", ()):
            if call["call"] == "power_calculation" and "output" in call:
                given = call["inputs"]
                error = (given["baseline_var"] * (1 / given["n1"] + 1 / given["n2"])) ** 0.5
                seen = float(checks.power_of(given["mde"], error, alpha=given["alpha"]))
                yield _close(f"spotify_power {case['id']}", [seen], [call["output"]])
    for case in _document(folder / "growthbook_power.json"):
        given = case["inputs"]
        if case.get("quantity") == "power" and not given["sequential_tuning"]:
            metric, each = given["metric"], given["n_total"] / given["variations"]
            mean, variance = metric["mean"], metric["standard_deviation"] ** 2
            one = effects.plain_arm(*(np.array(x) for x in (mean, variance, each)))
            other = effects.plain_arm(*(np.array(x) for x in (mean * (1 + metric["effect_size"]), variance, each)))
            found = effects.effect(one, other, relative=given["relative"])
            seen = float(checks.power_of(metric["effect_size"], found.error, alpha=given["alpha"]))
            passed = abs(seen - case["expected"]) <= 0.5 * 10 ** -case["decimals"]
            yield f"growthbook_power {case['id']}", passed, f"saw {seen}, expected {case['expected']}"


def _look_cases(folder: Path) -> Iterator[Case]:
    """Spotify's group-sequential bounds. Its grid is coarse where little is spent (its second look spends nothing);

    ours has converged to five digits, so that two hundredths is what can be asked. Of many looks, the first 60.
    """
    for case in _document(folder / "spotify_sequential.json"):
        for call in case.get("calls", ()):
            if call["call"] != "sequential_bounds" or call["inputs"].get("state"):
                continue
            table = call["output"]["init"]["df"]
            upper = [row[table["columns"].index("zb")] for row in table["rows"]]
            seen = bounds(call["inputs"]["t"][:60], alpha=call["inputs"]["alpha"], spending="power", rho=2.0)
            kept = [at for at, one in enumerate(upper[:60]) if one < 8]
            ours = [float(seen[at]) for at in kept]
            yield _close(f"spotify_sequential {case['id']}", ours, [upper[at] for at in kept], 2e-2)


def _mixture_cases(folder: Path) -> Iterator[Case]:
    for case in _document(folder / "confseq_boundaries.json"):
        given = case.get("inputs", {})
        if case["quantity"] == "two-sided normal mixture: best rho":
            seen = given["v"] / (given["v"] * effects.best_rho(given["v"], alpha=given["alpha"]) ** 2)
        elif case["quantity"] == "normal mixture bound" and not given["one_sided"]:
            v = given["v"]
            unit = effects.Effect(*(np.array(float(one)) for one in (0.0, v**-0.5, v, v)))
            rho = effects.best_rho(given["v_opt"], alpha=given["alpha_opt"])
            seen = float(effects.anytime(unit, rho=rho, alpha=given["alpha"]).high) * v
        else:
            continue
        passed = abs(seen - case["expected"]) <= case["tolerance"] * max(1, abs(case["expected"]))
        yield f"confseq {case['id']}", passed, f"saw {seen}, expected {case['expected']}"


def _document(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text("utf-8"))["cases"])
