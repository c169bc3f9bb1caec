#include "device/fleet/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STAT_BYTES = 1024, LOST_PARENT_STATUS = 75 };

/* ---- a child ---- */

static void reset_signals(void)
{
    struct sigaction normal = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int number = 1; number < NSIG; number++) {
        (void)sigaction(number, &normal, NULL); /* refused for those that cannot be caught */
    }
    (void)sigemptyset(&none);
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
}

static void redirect(int output_fd)
{
    int empty = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (empty >= 0) {
        (void)dup2(empty, STDIN_FILENO);
        (void)close(empty);
    }
    (void)dup2(output_fd, STDOUT_FILENO);
    (void)dup2(output_fd, STDERR_FILENO);
}

static void be_child(ph_process_main *work, void *context, int output_fd, pid_t parent)
{
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) { /* it died before it could be asked for */
        _exit(LOST_PARENT_STATUS);
    }
    reset_signals();
    redirect(output_fd);
    _exit(work(context));
}

enum ph_err ph_process_start(
    ph_process_main *work, void *context, int output_fd, pid_t *pid, struct ph_error *error)
{
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0 && errno == EAGAIN) {
        return ph_error_set(error, PH_ERR_UNAVAILABLE,
            "fork: no further process is allowed; raise ulimit -u, or the cgroup's pids.max");
    }
    if (child < 0) {
        return ph_error_set_errno(error, errno, "fork");
    }
    if (child == 0) {
        be_child(work, context, output_fd, parent);
    }
    *pid = child;
    return PH_OK;
}

void ph_process_print_status(char *out, size_t size, int status)
{
    if (WIFSIGNALED(status)) {
        (void)snprintf(out, size, "ended by signal %d", WTERMSIG(status));
    } else if (WEXITSTATUS(status) != 0) {
        (void)snprintf(out, size, "ended with status %d", WEXITSTATUS(status));
    } else {
        (void)snprintf(out, size, "ended before its time");
    }
}

void *ph_process_share(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory != MAP_FAILED ? memory : NULL;
}

void ph_process_unshare(void *memory, size_t bytes)
{
    if (memory != NULL) {
        (void)munmap(memory, bytes);
    }
}

/* ---- /proc ---- */

static bool read_proc(pid_t pid, const char *name, char *out, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t len = read(fd, out, size - 1);
    (void)close(fd);
    out[len > 0 ? len : 0] = '\0';
    return len > 0;
}

/* proc(5): the name in parentheses may hold anything; 14 and 15 are the times in ticks, 22 is the
 * start, 24 the resident pages. */
bool ph_process_usage(pid_t pid, struct ph_process_usage *usage)
{
    char text[STAT_BYTES];
    char state = 0;
    uint64_t user = 0;
    uint64_t system = 0;
    int64_t pages = 0;
    uint64_t born = 0;
    if (!read_proc(pid, "stat", text, sizeof text)) {
        return false;
    }
    const char *rest = strrchr(text, ')');
    if (rest == NULL ||
        sscanf(rest + 1,
            " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
            " %*d %*d %*d %*d %*d %*d %" SCNu64 " %*u %" SCNd64,
            &state, &user, &system, &born, &pages) != 5 ||
        state == 'Z') {
        return false;
    }
    usage->cpu_ms = (int64_t)((user + system) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK));
    usage->rss_bytes = pages * sysconf(_SC_PAGESIZE);
    usage->born = born;
    return true;
}
