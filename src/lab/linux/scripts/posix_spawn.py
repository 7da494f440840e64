import ctypes

# glibc: create the child as vfork does. Without effect since glibc 2.24.
POSIX_SPAWN_USEVFORK = 0x40

libc = ctypes.CDLL(None)
environ = ctypes.c_void_p.in_dll(libc, "environ")
devnull = os.open(os.devnull, os.O_WRONLY)

path = os.fsencode(program)
arguments = (ctypes.c_char_p * (len(argv) + 1))(*[os.fsencode(word) for word in argv])
pid = ctypes.c_int()
# Larger than the two objects are in any C library, which fills them itself.
actions = ctypes.create_string_buffer(4096)
attributes = ctypes.create_string_buffer(4096)


def declare(name, *types):
    """A function of libc that returns an error number."""
    function = getattr(libc, name)
    function.argtypes = types
    function.restype = ctypes.c_int
    return function


def check(error):
    if error != 0:
        raise OSError(error, os.strerror(error))


posix_spawn = declare(
    "posix_spawn",
    ctypes.POINTER(ctypes.c_int),
    ctypes.c_char_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_char_p),
    ctypes.c_void_p,
)
actions_init = declare("posix_spawn_file_actions_init", ctypes.c_void_p)
actions_adddup2 = declare(
    "posix_spawn_file_actions_adddup2", ctypes.c_void_p, ctypes.c_int, ctypes.c_int
)
attr_init = declare("posix_spawnattr_init", ctypes.c_void_p)
attr_setflags = declare("posix_spawnattr_setflags", ctypes.c_void_p, ctypes.c_short)

check(actions_init(actions))
check(actions_adddup2(actions, devnull, 1))
check(attr_init(attributes))
check(attr_setflags(attributes, POSIX_SPAWN_USEVFORK))


def spawn():
    check(posix_spawn(ctypes.byref(pid), path, actions, attributes, arguments, environ))
    _, status = os.waitpid(pid.value, 0)
    if status != 0:
        refuse(returncode(status))
