"""What is said of a model that cannot be read."""

from stages.config.errors import BuildError


def unreadable(
    what: str,
    source: str,
    error: Exception,
    check: str = "the name and the revision, and that it holds safetensors",
) -> BuildError:
    """The error for a part of the model `source`; `check` is what the user should look at."""
    reason = (str(error).strip() or repr(error)).splitlines()[0]
    return BuildError(f"{source}: the {what} cannot be read ({reason}). Check {check}.")
