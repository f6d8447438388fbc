"""The one error that a user can mend."""


class InputError(ValueError):
    """A user's mistake: the message is one line and says what was found, what was expected and what to do.

    Jobs print it as it is and end with exit code 2; nothing has been written when it is raised.
    """
