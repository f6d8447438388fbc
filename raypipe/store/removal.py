"""Removing a store, in an order in which nothing half removed looks whole."""

from raypipe.errors import InputError
from raypipe.store import objects, owner
from raypipe.store.creation import list_names
from raypipe.store.documents import group_path, plan_path


def remove(name: str) -> None:
    """Remove a store and its ledger, also what an earlier removal has left.

    First goes what lets Zarr open it, last the plan: if it is interrupted, what is left is damage to whoever meets it.

    Raises:
        InputError: if there is no such store, or it is being made.
    """
    if name not in list_names(objects.checked(name), damaged=True):
        raise InputError(f"there is no store {name} under {objects.root()}; raypipe status lists what there is")
    with owner.held(name):
        objects.delete(group_path(name))
        lines = [path for path in objects.paths(f"{name}.ledger") if path != plan_path(name) and objects.is_name(path)]
        objects.delete(*lines)
        objects.delete_folder(f"{name}.zarr")
        objects.delete_folder(f"{name}.ledger")
