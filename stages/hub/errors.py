"""What went wrong between the Hub and this machine, one sentence for each."""

from httpx2 import HTTPError, TimeoutException  # what huggingface_hub's calls raise
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from stages.config.errors import BuildError

# A failed upload is wrapped in a RuntimeError; an answer that is not the Hub's leads to a KeyError,
# a TypeError or a ValueError.
HUB_ERRORS = (HTTPError, KeyError, OSError, RuntimeError, TypeError, ValueError)


def explained(repo: str, error: Exception, token: str | None) -> BuildError:
    """The error as a sentence without the token. Raises an error that is this machine's own."""
    is_wrapper = isinstance(error, LocalEntryNotFoundError | RuntimeError)
    if is_wrapper and isinstance(error.__cause__, HUB_ERRORS):
        return explained(repo, error.__cause__, token)
    sentence = _sentence(repo, error)
    return BuildError(sentence.replace(token, "***") if token else sentence)


def _sentence(repo: str, error: Exception) -> str:
    again = "Publish again; what is already there is not sent twice."
    if isinstance(error, HFValidationError):
        return f"{repo}: not a name for a repository on the Hub: {_line(error)}"
    if isinstance(error, HfHubHTTPError):
        return _refusal(repo, error, again)
    if isinstance(error, TimeoutException):
        return f"{repo}: the Hub was silent for too long ({type(error).__name__}). {again}"
    if isinstance(error, HTTPError | ConnectionError | LocalEntryNotFoundError):
        return f"{repo}: the Hub cannot be reached ({type(error).__name__}). {again}"
    if isinstance(error, OSError) and error.errno is not None:
        raise error  # of a file here, such as a full disk
    said = f"{type(error).__name__}: {_line(error)}"
    return f"{repo}: the Hub answered what cannot be understood ({said}). {again}"


def _refusal(repo: str, error: HfHubHTTPError, again: str) -> str:
    status = error.response.status_code
    said = f": {' '.join(error.server_message.split())}" if error.server_message else ""
    if status in (401, 403):
        return (
            f"{repo}: the Hub refuses the token ({status}{said}). Use one that may write to "
            f"'{repo.partition('/')[0]}'."
        )
    if status == 412:
        return (
            f"{repo}: somebody committed to the repository meanwhile ({status}{said}). Look at "
            f"what has changed there, then publish again."
        )
    if status == 429:
        return (
            f"{repo}: the Hub asks for fewer calls ({status}{said}). Wait for some minutes, then "
            "publish again; what is already there is not sent twice."
        )
    return f"{repo}: the Hub answered {status}{said}. {again}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
