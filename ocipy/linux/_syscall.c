/* ocipy.linux._syscall: system calls for a program that cannot afford ctypes.
 *
 * Importing ctypes costs 2 to 6 ms, half of what a whole container start takes.  This module knows one thing,
 * syscall(2); names, flags and errors are Python (syscalls.py).
 *
 *     call(number, *arguments) -> result, or -errno
 *
 * An argument is an int (passed as it is), None (a null pointer), bytes (a pointer to its NUL-terminated data)
 * or a writable buffer such as a bytearray (a pointer to its memory).  The call runs without the GIL: open(2)
 * of a FIFO or a slow mount must not stop the other threads of the program.
 *
 * Built with the limited API (abi3): one binary serves every Python from 3.11 on.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_ARGUMENTS = 6 };

static PyObject *call(PyObject *self, PyObject *arguments)
{
    long value[1 + MAX_ARGUMENTS] = {0};
    Py_buffer buffer[1 + MAX_ARGUMENTS];
    int buffers = 0;
    PyObject *result = NULL;
    Py_ssize_t count = PyTuple_Size(arguments);

    (void)self;
    if (count < 1 || count > 1 + MAX_ARGUMENTS)
        return PyErr_Format(PyExc_TypeError, "call takes a number and up to %d arguments", MAX_ARGUMENTS);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *argument = PyTuple_GetItem(arguments, i);
        if (argument == Py_None) {
            value[i] = 0;
        } else if (PyLong_Check(argument)) {
            /* Masked: flags such as ~0 and AT_FDCWD are negative, sizes may need all 64 bits. */
            value[i] = (long)PyLong_AsUnsignedLongLongMask(argument);
        } else if (PyBytes_Check(argument)) {
            value[i] = (long)PyBytes_AsString(argument);
        } else {
            if (PyObject_GetBuffer(argument, &buffer[buffers], PyBUF_WRITABLE) < 0)
                goto done;
            value[i] = (long)buffer[buffers++].buf;
        }
        if (PyErr_Occurred())
            goto done;
    }

    long returned;
    int error;
    Py_BEGIN_ALLOW_THREADS
    returned = syscall(value[0], value[1], value[2], value[3], value[4], value[5], value[6]);
    error = errno;
    Py_END_ALLOW_THREADS
    result = PyLong_FromLong(returned == -1 ? -(long)error : returned);
done:
    while (buffers > 0)
        PyBuffer_Release(&buffer[--buffers]);
    return result;
}

static PyMethodDef methods[] = {
    {"call", call, METH_VARARGS, "call(number, *arguments) -> result or -errno; see the head of _syscall.c"},
    {NULL, NULL, 0, NULL},
};

/* Numbers differ between architectures: they come from the headers that this was compiled against; the ones
 * that Debian 12's headers may lack are the same on all architectures but alpha. */
#define NUMBERS(X)                                                                                             \
    X(bpf) X(capget) X(capset) X(clone3) X(close_range) X(fchownat) X(fsconfig) X(fsmount) X(fsopen)           \
    X(fspick) X(fstatfs) X(getcpu) X(getdents64) X(gettid) X(ioctl) X(mount_setattr) X(move_mount)             \
    X(name_to_handle_at) X(open_tree) X(openat2) X(pidfd_getfd) X(pidfd_open) X(pidfd_send_signal) X(prctl)    \
    X(prlimit64) X(renameat2) X(sched_setaffinity) X(setfsgid) X(setfsuid) X(setns) X(statfs) X(statx)         \
    X(umount2) X(signalfd4) X(unshare) X(waitid) X(keyctl) X(seccomp) X(landlock_create_ruleset)

static int exec_module(PyObject *module)
{
#define X(name)                                                                                                \
    if (PyModule_AddIntConstant(module, "SYS_" #name, SYS_##name) < 0)                                         \
        return -1;
    NUMBERS(X)
#undef X
    return 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)exec_module}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ocipy.linux._syscall",
    .m_doc = "syscall(2)",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__syscall(void)
{
    return PyModuleDef_Init(&definition);
}
