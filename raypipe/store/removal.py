"""Remove stores in such an order that a partly removed store never looks complete."""

from raypipe.errors import InputError
from raypipe.store import objects, owner
from raypipe.store.creation import list_names
from raypipe.store.documents import group_path, plan_path


def remove(name: str) -> None:
    """Remove a store and its ledger, including the remains of an earlier removal.

    The metadata that Zarr needs to open it are deleted first and the plan last, so that the remains of an interrupted
    removal count as damage.

    Raises:
        InputError: if there is no such store, or a job is making it.
    """
    if name not in list_names(objects.checked(name), damaged=True):
        raise InputError(f"there is no store {name} under {objects.root()}; raypipe status lists what there is")
    with owner.held(name):
        objects.delete(group_path(name))
        lines = [path for path in objects.paths(f"{name}.ledger") if path != plan_path(name) and objects.is_name(path)]
        objects.delete(*lines)
        objects.delete_folder(f"{name}.zarr")
        objects.delete_folder(f"{name}.ledger")
