"""The methods of RevMan 5 on invented counts, with 40 digits: ``python -m tests.reference.revman5`` writes ``revman5.json``.

Written from Deeks and Higgins (2010), Statistical algorithms in Review Manager 5, in plain sums and without anything of metanet. That
RevMan does what is written here was checked on 882 pooled results of 16 files of RevMan 5, none of them by Peto; the files are
not part of the repository.
"""

from __future__ import annotations

import json
from pathlib import Path

from mpmath import erfc, erfinv, exp, log, mpf, sqrt, workdps

from tests.reference.compact import compact

#: Events and patients of the treated and of the control, by study: zeros in one group, in both, only events in both, unequal sizes.
SETS = {
    "plain": [(14, 40, 6, 41), (16, 50, 7, 51), (3, 22, 9, 20), (30, 90, 25, 88)],
    "zeros": [(0, 20, 3, 21), (4, 40, 9, 38), (6, 50, 5, 52), (2, 31, 6, 30), (0, 15, 0, 17)],
    "ends": [(20, 20, 15, 21), (14, 40, 19, 38), (30, 50, 25, 52), (9, 9, 8, 8), (0, 12, 0, 10), (1, 30, 0, 12)],
    "never": [(0, 13, 0, 12), (0, 54, 0, 19), (0, 10, 0, 10)],
    "mixed": [(0, 17, 0, 18), (3, 18, 3, 15), (7, 19, 1, 30)],
    "one": [(0, 13, 2, 12)],
    "alike": [(5, 50, 10, 50), (10, 100, 20, 100), (3, 30, 6, 30)],
}


def corrected(study):
    a, n1, c, n2 = map(mpf, study)
    cells = [a, n1 - a, c, n2 - c]
    return [cell + mpf("0.5") for cell in cells] if 0 in cells else cells


def own(measure, study):
    """Effect and variance of one study; None where it has none."""
    a, n1, c, n2 = map(mpf, study)
    if measure == "PETO":
        n, m = n1 + n2, a + c
        v = n1 * n2 * m * (n - m) / (n * n * (n - 1))
        return None if v == 0 else ((a - n1 * m / n) / v, 1 / v)
    if measure != "RD" and (a + c == 0 or (a == n1 and c == n2)):
        return None
    p, q, r, s = corrected(study)
    if measure == "OR":
        return log(p * s / (q * r)), 1 / p + 1 / q + 1 / r + 1 / s
    if measure == "RR":
        return log(p * (r + s) / (r * (p + q))), 1 / p - 1 / (p + q) + 1 / r - 1 / (r + s)
    return a / n1 - c / n2, p * q / (p + q) ** 3 + r * s / (r + s) ** 3


def mantel_haenszel(measure, studies):
    """Estimate and variance."""
    if len(studies) == 1:
        return own(measure, studies[0])
    if measure == "RD":
        top = bottom = spread = mpf(0)
        for study in studies:
            a, n1, c, n2 = map(mpf, study)
            p, q, r, s = corrected(study)
            m1, m2 = p + q, r + s
            top += (a * n2 - c * n1) / (n1 + n2)
            bottom += n1 * n2 / (n1 + n2)
            spread += (p * q * m2**3 + r * s * m1**3) / (m1 * m2 * (m1 + m2) ** 2)
        return top / bottom, spread / bottom**2
    rs = ss = first = second = third = mpf(0)
    for study in studies:
        a, b, c, d = corrected(study)
        n1, n2 = a + b, c + d
        n = n1 + n2
        if measure == "OR":
            r, s, p, q = a * d / n, b * c / n, (a + d) / n, (b + c) / n
            first, second, third = first + p * r, second + p * s + q * r, third + q * s
        else:
            r, s = a * n2 / n, c * n1 / n
            first += (n1 * n2 * (a + c) - a * c * n) / n**2
        rs, ss = rs + r, ss + s
    if measure == "OR":
        return log(rs / ss), (first / rs**2 + second / (rs * ss) + third / ss**2) / 2
    return log(rs / ss), first / (rs * ss)


def pooled(method, random, measure, studies):
    """What RevMan 5 prints: estimate, limits, tau2, Q, its degrees of freedom, I2, Z and P."""
    studies = [study for study in studies if own(measure, study) is not None]
    if not studies:
        return None
    y, v = zip(*(own(measure, study) for study in studies), strict=True)
    w = [1 / each for each in v]
    k = len(studies)
    mean, variance = sum(a * b for a, b in zip(w, y, strict=True)) / sum(w), 1 / sum(w)
    if method == "MH":
        mean, variance = mantel_haenszel(measure, studies)
    q = sum(a * (b - mean) ** 2 for a, b in zip(w, y, strict=True))
    tau2 = mpf(0)
    if random:
        if k > 1:
            tau2 = max(mpf(0), (q - (k - 1)) / (sum(w) - sum(a * a for a in w) / sum(w)))
        w = [1 / (each + tau2) for each in v]
        mean, variance = sum(a * b for a, b in zip(w, y, strict=True)) / sum(w), 1 / sum(w)
    se = sqrt(variance)
    half = sqrt(mpf(2)) * erfinv(mpf("0.95")) * se
    back = (lambda x: x) if measure == "RD" else exp
    z = abs(mean) / se
    return {
        "estimate": back(mean), "ci_lower": back(mean - half), "ci_upper": back(mean + half), "tau2": tau2,
        "q": q if k > 1 else mpf(0), "df": k - 1, "i2": max(mpf(0), (q - (k - 1)) / q) if k > 1 and q > 0 else mpf(0),
        "z": z, "p": erfc(z / sqrt(mpf(2))), "k": k,
    }  # fmt: skip


def records():
    """Every set by every method that pools its measure."""
    for name, studies in SETS.items():
        for measure in ("OR", "RR", "RD", "PETO"):
            for method in ("PETO",) if measure == "PETO" else ("MH", "IV"):
                for random in (False,) if measure == "PETO" else (False, True):
                    with workdps(40):
                        found = pooled(method, random, measure, studies)
                        numbers = {k: float(x) if not isinstance(x, int) else x for k, x in (found or {"k": 0}).items()}
                    yield {"set": name, "measure": measure, "method": method, "random": random, **numbers}


if __name__ == "__main__":
    Path(__file__).with_suffix(".json").write_text(compact(json.dumps(list(records()))), encoding="utf-8")
