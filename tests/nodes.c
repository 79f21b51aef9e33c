/* A file system as it may look from a node, for one process (LD_PRELOAD).

   NFS_LOCKS: `nolck`: the lock service is away (ENOLCK). `none`: no locks are known (ENOSYS).
   `local`: each lock is given at once, as one that reaches no other host.
   NFS_LATE: part of a path; files with it are not to be seen yet, but by who makes them.

   Before libfaketime 0.9.10 it mends its sleep, which with FAKETIME_DONT_FAKE_MONOTONIC refuses
   what Python's time.sleep asks (EINVAL). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is(const char *variable, const char *value) {
    const char *set = getenv(variable);
    return set && !strcmp(set, value);
}

static int late(const char *path) {
    const char *part = getenv("NFS_LATE");
    if (!part || !*part || !path || !strstr(path, part)) return 0;
    errno = ENOENT;
    return 1;
}

static int refused(void) {
    if (is("NFS_LOCKS", "nolck")) { errno = ENOLCK; return 1; }
    if (is("NFS_LOCKS", "none")) { errno = ENOSYS; return 1; }
    return 0;
}

int flock(int file, int how) {
    if (refused()) return -1;
    return is("NFS_LOCKS", "local") ? 0 : REAL(flock)(file, how);
}

#define FCNTL(name)                                                                    \
    int name(int file, int what, ...) {                                                \
        va_list rest;                                                                  \
        va_start(rest, what);                                                          \
        void *argument = va_arg(rest, void *);                                         \
        va_end(rest);                                                                  \
        if ((what == F_SETLK || what == F_SETLKW) && refused()) return -1;             \
        if (what == F_SETLK && is("NFS_LOCKS", "local")) return 0;                     \
        return REAL(name)(file, what, argument);                                       \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

#define OPEN(name)                                                                     \
    int name(const char *path, int flags, ...) {                                       \
        va_list rest;                                                                  \
        va_start(rest, flags);                                                         \
        int mode = va_arg(rest, int);                                                  \
        va_end(rest);                                                                  \
        return !(flags & O_CREAT) && late(path) ? -1 : REAL(name)(path, flags, mode);  \
    }
OPEN(open)
OPEN(open64)

#define STAT(name, kind)                                                               \
    int name(const char *path, struct kind *found) {                                   \
        return late(path) ? -1 : REAL(name)(path, found);                              \
    }
STAT(stat, stat)
STAT(stat64, stat64)
STAT(lstat, stat)
STAT(lstat64, stat64)

int clock_nanosleep(clockid_t clock, int how, const struct timespec *time, struct timespec *left) {
    return syscall(SYS_clock_nanosleep, clock, how, time, left) ? errno : 0;
}
