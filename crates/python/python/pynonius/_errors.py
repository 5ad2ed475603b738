"""What goes wrong, with the messages of the Rust crates."""


class Error(ValueError):
    """An argument that cannot be: the message names it, what it must be, and what came."""


class IoError(OSError):
    """A file that cannot be read or written: the message says which, where in it, and why."""


class MissingFileError(IoError, FileNotFoundError):
    """A file that is not there."""


for _class in (Error, IoError, MissingFileError):
    _class.__module__ = "pynonius"
