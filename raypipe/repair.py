"""Making again what is damaged in a store, and just that, by the plan that the job which made it has."""

from collections.abc import Callable, Mapping
from typing import Any

from raypipe import classify, explain, generate, store
from raypipe.errors import InputError
from raypipe.fill import Plan, fill, provenance
from raypipe.store import Verification


def _generated(name: str, parameters: Mapping[str, Any]) -> Plan:
    study, _, split = name.partition("/")
    if study == "andi":
        return generate.trajectories(split, parameters["trajectories"])
    if split == "scan":
        return generate.scan(parameters["every"], parameters["dtype"])
    return generate.patterns(split, parameters["per_class"], parameters["dtype"])


def _classified(name: str, parameters: Mapping[str, Any]) -> Plan:
    return classify.plan(parameters["network"], name.rpartition("/")[2])


def _explained(_: str, parameters: Mapping[str, Any]) -> Plan:
    options = {key: parameters.get(key) for key in ("method", "control")}
    split = parameters["source"].rpartition("/")[2]
    return explain.plan(parameters["network"], split, per_class=parameters["per_class"], **options)


MAKERS: dict[str, Callable[[str, Mapping[str, Any]], Plan]] = {
    "andi": _generated,
    "gray_scott": _generated,
    "predictions": _classified,
    "relevance": _explained,
    "saliency": _explained,
}
"""Who plans the stores of each kind, the first part of a name, from the parameters that a store keeps."""


def plan_of(name: str) -> Plan:
    """The plan of a store that one of the jobs made, from what it says that it was made with.

    Raises:
        InputError: if no job makes such a store, or what it was made with cannot be read or is not possible here.
    """
    parameters = store.stored_parameters(name)
    try:
        plan = MAKERS[name.partition("/")[0]](name, parameters)
    except KeyError:
        plan = None
    if plan is None or plan.name != name:
        raise InputError(
            f"{name} was made by no job of raypipe with these parameters, {parameters}; make it again by what made it, "
            "or give its plan to raypipe.repair.repair"
        )
    return plan


def repair(found: Verification, plan: Plan | None = None) -> None:
    """Make again what was found to be damaged in a store, and what is missing from it.

    Args:
        found: what `store.verify` returned.
        plan: of the store; by default that of the job that makes stores of this name.

    Raises:
        InputError: if there is no plan, or the store was made from another one.
        RuntimeError: if a shard fails.
    """
    plan = plan or plan_of(found.name)
    store.mend(plan, provenance(plan), found)
    fill(plan)
