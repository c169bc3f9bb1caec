#include "base/signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum ph_err ph_signals_open(int *fd, struct ph_error *error)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    sigset_t blocked = set;
    (void)sigaddset(&blocked, SIGPIPE);
    int failed = pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    if (failed != 0) {
        return ph_error_set_errno(error, failed, "signals: block");
    }
    *fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return *fd >= 0 ? PH_OK : ph_error_set_errno(error, errno, "signals: signalfd");
}

int ph_signals_read(int fd)
{
    struct signalfd_siginfo info;
    return read(fd, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}
