"""From an ASSIGN to a callable: environment, module search path, and the entry point in each of its spellings."""

import os
import sys
from importlib import import_module
from importlib.machinery import PathFinder, SourceFileLoader
from importlib.util import module_from_spec

_CO_VARARGS, _CO_COROUTINE = 0x04, 0x80


class MissingEntry(Exception):
    """The module was loaded, and has no such function; or there is no such module."""


class Handler:
    """A loaded entry point: `call` takes the arguments as one value; `is_async` says that what it returns must be awaited."""

    __slots__ = ("call", "is_async")

    def __init__(self, call, is_async):
        self.call = call
        self.is_async = is_async


def folders(assign, store):
    """(code folder, layer folders). In a sandbox they are at fixed paths; without one (`store` given, or absolute paths) where they lie."""
    code = assign.get("code") or "function"
    layers = assign.get("layers") or []

    def place(name, fixed):
        if os.path.isabs(name):
            return name
        return os.path.join(store, name) if store else fixed

    return place(code, "/function"), [place(name, "/layers/" + os.path.basename(name)) for name in layers]


def prepare(assign, store):
    """Environment, working directory and search path as the function shall find them. Returns the code folder."""
    environment, extra = assign.get("env"), []
    if environment:
        os.environ.update(environment)
        if "TZ" in environment:
            import time

            time.tzset()
        extra = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    code, layers = folders(assign, store)
    first = [code] + layers + extra
    sys.path[:] = first + [path for path in sys.path if path not in first]
    sys.dont_write_bytecode = True  # the code is read-only: each attempt would be a system call that fails
    sys.argv = [code]
    # Ours would be imported again, and fail, in processes that `multiprocessing` starts afresh.
    sys.modules["__main__"] = type(sys)("__main__")
    os.chdir(code)
    return code


def load(entry, code):
    """The handler of `entry`: `module:function`, `file.py:function`, `folder/file.py:function`, `package.module:function`; the function is `main` unless named."""
    module_name, _, function_name = (entry or "main:main").partition(":")
    function_name = function_name or "main"
    if module_name.endswith(".py"):
        folder, name = os.path.split(module_name[:-3])
        directory = os.path.join(code, folder)
        if folder and directory not in sys.path:
            sys.path.insert(0, directory)
    else:
        directory, name = code, module_name
    module = _module(name, directory)
    target = module
    for part in function_name.split("."):
        if not hasattr(target, part):
            names = sorted(n for n, v in vars(module).items() if callable(v) and not n.startswith("_"))
            listed = ", ".join(names[:10]) or "none"
            raise MissingEntry("module '%s' has no '%s' (functions there: %s)" % (name, function_name, listed))
        target = getattr(target, part)
    if not callable(target):
        raise MissingEntry("'%s' in module '%s' is a %s, not a function" % (function_name, name, type(target).__name__))
    return _handler(target)


def _module(name, directory):
    top = name.partition(".")[0]
    spec = PathFinder.find_spec(top, [directory])
    if spec is None:
        if top in sys.modules or PathFinder.find_spec(top, None) is not None:
            return import_module(name)  # it comes with a layer
        present = ", ".join(sorted(os.listdir(directory))[:10]) or "nothing"
        raise MissingEntry("there is no module '%s' in the function's code (there: %s)" % (top, present))
    if spec.loader is None or "." in name:
        return import_module(name)
    module = module_from_spec(spec)
    if top in sys.modules:
        # The user's file has the name of a module that is loaded already (`queue.py`, `test.py`). It is run all the same, without taking
        # that module's place, since others rely on it.
        _execute(spec, module)
        return module
    # What `import_module` does with a spec, without its looking for it a second time.
    sys.modules[top] = module
    spec._initializing = True  # circular imports are told apart by it
    try:
        _execute(spec, module)
    except BaseException:
        sys.modules.pop(top, None)
        raise
    finally:
        spec._initializing = False
    return sys.modules.get(top, module)


def _execute(spec, module):
    """What a source loader does where there is no bytecode; it would look for that first, at the price of the rest."""
    path = spec.origin
    if type(spec.loader) is SourceFileLoader and not os.access(path.rpartition("/")[0] + "/__pycache__", os.F_OK):
        exec(compile(spec.loader.get_data(path), path, "exec", dont_inherit=True), module.__dict__)
    else:
        spec.loader.exec_module(module)


def _handler(target):
    code = getattr(target, "__code__", None)
    if code is not None and not hasattr(target, "__wrapped__"):
        bound = 1 if getattr(target, "__self__", None) is not None else 0
        takes_arguments = code.co_argcount > bound or bool(code.co_flags & _CO_VARARGS)
        is_async = bool(code.co_flags & _CO_COROUTINE)
    else:
        import inspect  # slow to import, so only for what is not a plain function

        try:
            parameters = inspect.signature(target).parameters.values()
            takes_arguments = any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL) for p in parameters)
        except (TypeError, ValueError):
            takes_arguments = True
        is_async = inspect.iscoroutinefunction(target) or inspect.iscoroutinefunction(getattr(target, "__call__", None))
    return Handler(target if takes_arguments else lambda _: target(), is_async)
