"""Repair a damaged store: compute only its damaged parts again, with the plan of the job that made it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from raypipe import store, study
from raypipe.errors import InputError
from raypipe.networks import classify, explain
from raypipe.novelty import find
from raypipe.refine import rounds
from raypipe.run.fill import fill, provenance
from raypipe.store import Plan, Verification, owner


def _classified(name: str, parameters: Mapping[str, Any]) -> Plan:
    return classify.plan_of(parameters["network"], parameters["source"], name)


def _explained(_: str, parameters: Mapping[str, Any]) -> Plan:
    options: dict[str, Any] = {key: parameters.get(key) for key in ("method", "control")}
    split = parameters["source"].rpartition("/")[2]
    chosen = "samples" in parameters
    of: dict[str, Any] = {key: parameters[key] for key in (("samples",) if chosen else ("per_class",))}
    return explain.plan(parameters["network"], split, **of, **options)


MAKERS: dict[str, Callable[[str, Mapping[str, Any]], Plan]] = {
    "predictions": _classified,
    "relevance": _explained,
    "saliency": _explained,
    "refined": rounds.planned,
    "features": find.planned,
    "novelty": find.planned,
}
"""For each product (first part of a store's name), the function that rebuilds the plan from the stored parameters."""


def _plan(name: str, parameters: Mapping[str, Any]) -> Plan:
    first, _, split = name.partition("/")
    if first in MAKERS:
        return replace(MAKERS[first](name, parameters), name=name)  # it may have been copied or renamed
    of = study.find(first)
    plan = of.plan(split, {name: parameters[name] for name in of.settings(split) if name in parameters})
    planned = json.loads(json.dumps(dict(plan.parameters)))
    if others := [name for name in {*parameters, *planned} if parameters.get(name) != planned.get(name)]:
        raise InputError(f"{', '.join(sorted(others))} would differ")
    return plan


def _job_of_files(name: str) -> str:
    """Name of the job that made a store from the user's files, or an empty text."""
    first, _, split = name.partition("/")
    of = next((one for one in study.all_studies() if one.name == first), None)
    return of.takes_files if of and of.declared(split) is None else ""


def plan_of(name: str) -> Plan:
    """Rebuild the plan of a store that a job made, from the parameters in the store.

    Raises:
        InputError: if no job makes such a store, or its parameters cannot be read or used here.
    """
    parameters = store.stored_parameters(name)
    try:
        plan = _plan(name, parameters)
    except (KeyError, InputError) as error:
        if job := _job_of_files(name):
            raise InputError(
                f"{name} was made from files that raypipe does not have; remove it with raypipe remove {name}, then "
                f"give raypipe {job} the same files again"
            ) from error
        raise InputError(
            f"no job known here makes {name} with these parameters, {parameters} ({error}); name its study with "
            "--study, make it again with the code that made it, or give its plan to raypipe.repair.repair"
        ) from error
    return plan


def repair(found: Verification, plan: Plan | None = None) -> None:
    """Compute again the damaged and the missing parts of a store.

    Args:
        found: what `store.verify` returned.
        plan: plan of the store; by default that of the job that makes stores of this name.

    Raises:
        InputError: if there is no plan, it is that of another store, the store was made from another plan, or another
            job is making it.
        WorkError: if the computation of a shard raises an exception.
        LostError: if workers are lost repeatedly at one shard.
    """
    plan = plan or plan_of(found.name)
    if plan.name != found.name:
        raise InputError(f"the plan is that of {plan.name}, not of {found.name}; give the plan of the store to repair")
    with owner.held(plan.name) as own:
        store.mend(plan, provenance(plan), found)
        fill(plan, own=own)
